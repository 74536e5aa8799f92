"""What a row of a suppression file says, or why it says nothing."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from consentmilter.errors import UsageError
from consentmilter.model import Reason

MAX_EVIDENCE = 1000
_MAX_CAUSE = 200


class HeaderError(UsageError):
    """The file cannot be read as it is; `mend` has the words to add to the command, where there are any."""

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.mend = mend


class Entry(NamedTuple):
    """An address or domain as written, and what else the file tells. `line` counts from 1; `cells` are its cells."""

    line: int
    address: str
    reason: Reason | None = None
    at: datetime | None = None
    evidence: str | None = None
    expires: datetime | None = None
    scope: str | None = None
    cells: Sequence[str] = ()


class Hashed(NamedTuple):
    """A digest of somebody's address; `list` where the file names the list that it is from."""

    line: int
    digest: bytes
    reason: Reason | None = None
    at: datetime | None = None
    expires: datetime | None = None
    scope: str | None = None
    list: str | None = None


class Keyed(NamedTuple):
    """An entry of our own export whose address nobody knows: its subject key, and with which key that was made."""

    line: int
    subject: bytes
    key: str
    reason: Reason | None = None
    at: datetime | None = None
    expires: datetime | None = None
    scope: str | None = None
    cells: Sequence[str] = ()


class Skipped(NamedTuple):
    """A row that says of somebody what is no opt-out; `kind` is what it says instead."""

    line: int
    kind: str


class BadRow(NamedTuple):
    """A row that cannot be used: the line where it begins, our name for the column or `-`, why, and its cells."""

    line: int
    column: str
    cause: str
    cells: Sequence[str] = ()


Row = Entry | Hashed | Keyed | Skipped | BadRow


def clipped(text: str) -> str:
    """The text, of a length that can be shown."""
    return text if len(text) <= _MAX_CAUSE else text[: _MAX_CAUSE - 3] + "..."
