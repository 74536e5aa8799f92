"""What a row of a suppression file says, or why it says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from consentmilter.errors import UsageError
from consentmilter.model import Reason

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "e-mail", "email address", "emailaddress", "email_address", "address", "recipient", "mail"),
    "reason": ("reason",),
    "date": ("date", "created", "created_at", "unsubscribed_at", "timestamp", "time"),
    "evidence": ("evidence", "note", "notes"),
}
"""Our names for columns, and the names in files that mean the same, in lower case."""

MAX_EVIDENCE = 1000
_NOTES = 60


class HeaderError(UsageError):
    """The file does not say which column holds the address."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: the address or domain as written, and what else the file tells. `line` counts from 1."""

    line: int
    address: str
    reason: Reason | None = None
    at: datetime | None = None
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used: where it stands and why."""

    line: int
    column: str
    cause: str


class _ValueError(Exception):
    """A value that cannot be read; holds the column and the cause."""


def entry(line: int, values: Mapping[str, str]) -> Entry | BadRow:
    """The row with these values, by our column names."""
    address = values.get("email", "").strip()
    if not address:
        return BadRow(line, "email", "no address")
    try:
        reason, at = _reason(values.get("reason", "")), _date(values.get("date", ""))
    except _ValueError as fault:
        column, cause = fault.args
        return BadRow(line, column, cause)
    evidence = values.get("evidence", "").strip()[:MAX_EVIDENCE]
    return Entry(line, address, reason, at, evidence or None)


def columns_of(names: list[str], mapped: Mapping[str, str]) -> dict[str, str]:
    """For each of our columns that the file has, its name there. `mapped` (from --map) comes first."""
    by_lower = {name.strip().lower(): name for name in reversed(names)}
    found = {}
    for ours, aliases in COLUMNS.items():
        wanted = (mapped[ours].lower(),) if ours in mapped else aliases
        name = next((by_lower[alias] for alias in wanted if alias in by_lower), None)
        if name is not None:
            found[ours] = name
        elif ours in mapped:
            raise HeaderError(f"there is no column {mapped[ours]!r}; the file has: {_listed(names)}")
    if "email" not in found:
        raise HeaderError(f"no column of addresses among: {_listed(names)} (name it: --map email=COLUMN)")
    return found


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name[:_NOTES]) for name in names[:_NOTES])


def _reason(text: str) -> Reason | None:
    word = text.strip().lower().replace(" ", "_").replace("-", "_")
    if not word:
        return None
    try:
        return Reason(word)
    except ValueError:
        raise _ValueError("reason", f"unknown reason {text.strip()[:_NOTES]!r} (use {', '.join(Reason)})") from None


def _date(text: str) -> datetime | None:
    word = text.strip()
    if not word:
        return None
    try:
        at = datetime.fromtimestamp(int(word), UTC) if word.isdigit() else datetime.fromisoformat(word)
    except (ValueError, OverflowError, OSError):
        cause = f"{word[:_NOTES]!r} is no date (write 2026-02-01, 2026-02-01T12:30:00Z or seconds since 1970)"
        raise _ValueError("date", cause) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
