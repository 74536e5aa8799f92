"""What the API answers: the shape of each answer, which the OpenAPI description is made from."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from consentmilter.model import Basis, ConsentState, Mode, Reason, Verdict
from consentmilter.policy.consents import Lack

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
    """Whether the mail would be sent; if a suppression or a missing consent decided that or was bypassed, which."""

    allowed: bool
    subject: Subject
    stream: str
    category: str
    basis: Basis
    mode: Mode
    verdict: Verdict
    bypassed: bool
    opted_in: Annotated[
        datetime | None, Field(description="When the opt-in was confirmed that outdid the suppression.")
    ]
    reason: Reason | Lack | None
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


class ConsentRecorded(Answer):
    """What stands of the person's consent now."""

    subject: Subject
    stream: str
    state: ConsentState


class Asked(Answer):
    """The person is asked, if they may be; the answer is the same whether or not they are."""

    subject: Subject
    stream: str


class Withdrawn(Answer):
    """The consent is taken back; the answer is the same whether or not there was one."""

    subject: Subject
    scope: Scope


class ConsentTold(Answer):
    """What is recorded of a person's consent to a stream."""

    subject: Subject
    stream: str
    required: bool
    state: ConsentState | None
    scope: str | None
    basis: Basis | None
    at: datetime | None
    confirmed: bool


class EffectTold(Answer):
    """What was done to records of one kind, or would be."""

    what: str
    done: str
    count: int
    details: list[str]


class Done(Answer):
    """What a request of a person led to."""

    subject: Subject
    dry_run: bool
    effects: list[EffectTold]


Records = list[dict[str, Any]]


class DossierTold(Answer):
    """Everything that is held of a person."""

    subject: Subject
    keys: list[Key]
    made: datetime
    suppressions: Records
    hash_lists: Records
    consents: Records
    ledger: Records
    imports: Records
    mail: Records
    confirmations: Records
    bounces: Records
    holds: Records
    journal: Records


class Exported(Answer):
    """How much is held of a person, and all of it unless that was a dry run."""

    subject: Subject
    records: int
    dossier: DossierTold | None


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
