"""The words of the program as types: reasons, verdicts, suppressions, assertions.

Pure data, shared by all layers. Times are aware datetimes in UTC.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

ALL = "*"
"""The scope that covers every stream on this system."""


class Reason(StrEnum):
    """Why a subject is suppressed, the strictest first: the first that applies is the one shown."""

    LEGAL = "legal"
    OBJECTION = "objection"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"
    HARD_BOUNCE = "hard_bounce"
    IMPORTED = "imported"


REASON_RANK = {reason: rank for rank, reason in enumerate(Reason)}


class Basis(StrEnum):
    """The legal basis on which mail of a category is sent (GDPR Art. 6(1))."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGITIMATE_INTEREST = "legitimate-interest"
    LEGAL_OBLIGATION = "legal-obligation"


class Verdict(StrEnum):
    """What becomes of the mail to one recipient."""

    ACCEPT = "accept"
    REJECT = "reject"
    TAG = "tag"
    REMOVE = "remove"
    HOLD = "hold"
    DEFER = "defer"


class Mode(StrEnum):
    """Whether verdicts are carried out, or only logged and journalled."""

    OBSERVE = "observe"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class Suppression:
    """Do not send to `subject` in `scope`.

    `subject` is the 16-octet subject key, `origin` says where the first assertion came from
    (`import`, `cli:alice`, ...), `batch` is the import that made the row, if one did, `asserted_again` is true once
    anybody else asserted the same. `address` is None where addresses are not stored. `repeated` is when it was last
    asserted again, if it was.
    """

    subject: bytes
    scope: str
    reason: Reason
    origin: str
    created: datetime
    expires: datetime | None = None
    batch: str | None = None
    asserted_again: bool = False
    address: str | None = None
    repeated: datetime | None = None

    @property
    def last_said(self) -> datetime:
        """When somebody asserted it last."""
        return self.created if self.repeated is None else max(self.created, self.repeated)

    def holds(self, now: datetime) -> bool:
        """Whether it has not expired."""
        return self.expires is None or now < self.expires


@dataclass(frozen=True, slots=True)
class Assertion:
    """Somebody's statement that makes or repeats a suppression.

    `at` is when the person said so, where the source tells (an import with dates), else None: the time of recording.
    """

    subject: bytes
    address: str | None
    scope: str
    reason: Reason
    at: datetime | None = None
    expires: datetime | None = None
    evidence: str | None = None


class ConsentState(StrEnum):
    """How a person stands to a stream, by what they said last."""

    REQUESTED = "requested"
    """Asked whether they want it, and not answered yet."""
    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Consent:
    """What holds of a person's consent to exactly this stream.

    `confirmed` says that the grant was confirmed by the person themselves (double opt-in), or came with evidence of
    that. `origin`, `batch` and `address` are as in a suppression.
    """

    subject: bytes
    stream: str
    state: ConsentState
    basis: Basis
    at: datetime
    confirmed: bool
    origin: str
    batch: str | None = None
    address: str | None = None


def covers(scope: str, stream: str) -> bool:
    """Whether a suppression in `scope` holds for `stream`: the same, a parent of it, or everything."""
    return scope in (ALL, stream) or stream.startswith(f"{scope}.")
