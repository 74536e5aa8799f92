"""The operations of the API: one table, from which calls are dispatched and the description is made."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from consentmilter.config.roles import Verb
from consentmilter.web.api import asking, changing
from consentmilter.web.api.answers import Answer, BatchRecorded, Checked, Feed, Recorded, Removed, Streams
from consentmilter.web.api.calls import Call
from consentmilter.web.api.messages import Addition, Batch, Message, Nothing, Place, Question, Removal

BODY_OCTETS = 64 * 1024
BATCH_OCTETS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be called. `verb` is None where any token will do; `most` is how many octets a body may have."""

    name: str
    method: Literal["GET", "POST"]
    path: str
    verb: Verb | None
    message: type[Message]
    answer: type[Answer]
    work: Callable[[Call[Any]], Awaitable[Answer]]
    most: int = BODY_OCTETS

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
    Operation("changes", "GET", "/v1/changes", "changes", Place, Feed, asking.changes),
    Operation("streams", "GET", "/v1/streams", None, Nothing, Streams, asking.streams),
)
