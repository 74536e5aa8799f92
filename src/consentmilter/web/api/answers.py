"""What the API answers: the shape of each answer, which the OpenAPI description is made from."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from consentmilter.model import Basis, Mode, Reason, Verdict

MAX_SUBJECT = 320
"""Characters in the address or domain of a call or an answer."""

Subject = Annotated[str, Field(description="The canonical address or domain.")]
Scope = Annotated[str, Field(description="A stream, an organisation, or * for everything.")]
Key = Annotated[str, Field(description="The key that stands for the person, in hexadecimal.")]


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Recorded(Answer):
    """The opt-out stands; the answer is the same whether or not it stood before."""

    subject: Subject
    scope: Scope
    reason: Reason


class BatchRecorded(Answer):
    """All opt-outs of the batch stand."""

    recorded: int


class Checked(Answer):
    """Whether the mail would be sent; if a suppression decided that or was bypassed, which."""

    allowed: bool
    subject: Subject
    stream: str
    category: str
    basis: Basis
    mode: Mode
    verdict: Verdict
    bypassed: bool
    reason: Reason | None
    scope: str | None
    since: datetime | None


class LiftedSuppression(Answer):
    """One suppression that was lifted."""

    subject: Subject
    scope: Scope
    reason: Reason
    since: datetime


class Removed(Answer):
    """What was lifted; nothing if nothing stood."""

    lifted: list[LiftedSuppression]


class ChangeTold(Answer):
    """One change of the list."""

    at: datetime
    action: Annotated[str, Field(description="add, repeat, lift or import")]
    key: Key
    subject: Annotated[str | None, Field(description="The address or domain, where it is stored.")]
    scope: Scope
    reason: Reason
    origin: str
    batch: str | None


class Feed(Answer):
    """Changes, the oldest first, and the cursor from which the next call goes on."""

    items: list[ChangeTold]
    cursor: str
    more: bool


class StreamTold(Answer):
    """A stream that people can opt out of, or one of an exempt category."""

    stream: str
    organisation: str
    title: str
    description: str | None
    category: str
    exempt: bool
    basis: Basis
    mode: Mode


class Streams(Answer):
    """The streams of the token's organisations."""

    streams: list[StreamTold]


class Fault(Answer):
    """What is wrong with one field."""

    field: Annotated[str, Field(description="Its name, with dots where it lies within others.")]
    fault: str


class ProblemDetails(Answer):
    """Why the call was not carried out (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str | None = None
    faults: list[Fault] | None = None
    request: Annotated[str, Field(description="The id by which the log knows the request.")]
