"""The operations of the API: one table, from which calls are dispatched and the description is made."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from consentmilter.config.roles import Verb
from consentmilter.web.api import asking, changing, consenting, subjects
from consentmilter.web.api.answers import (
    Answer,
    Asked,
    BatchRecorded,
    Checked,
    ConsentRecorded,
    ConsentTold,
    Done,
    Exported,
    Feed,
    Recorded,
    Removed,
    Streams,
    Withdrawn,
)
from consentmilter.web.api.calls import Call
from consentmilter.web.api.messages import (
    Addition,
    Batch,
    ConsentQuestion,
    Grant,
    Message,
    Nothing,
    Objection,
    Place,
    Question,
    Rectification,
    Removal,
    Request,
    Restriction,
    Right,
    Withdrawal,
)

BODY_OCTETS = 64 * 1024
BATCH_OCTETS = 1024 * 1024

HELD = "A legal hold keeps what is held of the person, or nobody has read yet what they wrote."


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be called. `verb` is None where any token will do; `most` is how many octets a body may have.

    `conflict` says what can stand against a call that is good in itself.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    verb: Verb | None
    message: type[Message]
    answer: type[Answer]
    work: Callable[[Call[Any]], Awaitable[Answer]]
    most: int = BODY_OCTETS
    conflict: str | None = None

    @property
    def summary(self) -> str:
        return (self.work.__doc__ or "").partition("\n")[0]


OPERATIONS = (
    Operation("add", "POST", "/v1/suppressions", "add", Addition, Recorded, changing.add),
    Operation(
        "add_batch", "POST", "/v1/suppressions/batch", "add", Batch, BatchRecorded, changing.add_batch, BATCH_OCTETS
    ),
    Operation("check", "POST", "/v1/check", "check", Question, Checked, asking.check),
    Operation("remove", "POST", "/v1/removals", "remove", Removal, Removed, changing.remove),
    Operation("grant", "POST", "/v1/consents", "consent", Grant, ConsentRecorded, consenting.grant),
    Operation("request", "POST", "/v1/consents/requests", "consent", Request, Asked, consenting.request),
    Operation("withdraw", "POST", "/v1/consents/withdrawals", "consent", Withdrawal, Withdrawn, consenting.withdraw),
    Operation("check_consent", "POST", "/v1/consents/check", "check", ConsentQuestion, ConsentTold, consenting.check),
    Operation("export", "POST", "/v1/subjects/export", "rights", Right, Exported, subjects.export),
    Operation("rectify", "POST", "/v1/subjects/rectify", "rights", Rectification, Done, subjects.rectify),
    Operation("erase", "POST", "/v1/subjects/erase", "rights", Right, Done, subjects.erase, conflict=HELD),
    Operation("restrict", "POST", "/v1/subjects/restrict", "rights", Restriction, Done, subjects.restrict),
    Operation("object", "POST", "/v1/subjects/object", "rights", Objection, Done, subjects.object_to),
    Operation("changes", "GET", "/v1/changes", "changes", Place, Feed, asking.changes),
    Operation("streams", "GET", "/v1/streams", None, Nothing, Streams, asking.streams),
)
