"""What a row of a suppression file says, or why it says nothing."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from consentmilter.errors import UsageError
from consentmilter.model import Reason

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "emailaddress", "address", "recipient", "mail"),
    "reason": ("reason",),
    "date": ("date", "created", "createdat", "unsubscribedat", "timestamp", "time"),
    "evidence": ("evidence", "note", "notes"),
}
"""Our names for columns, and what is taken for them in files, in small letters and with nothing but letters."""

MAX_EVIDENCE = 1000
_MAX_CAUSE = 200
_NOTES = 60
_SECONDS = re.compile(r"(\d+)(?:\.\d*)?", re.ASCII)
_MILLISECONDS_DIGITS = 13
_COMPACT_DATE_DIGITS = 8


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
    """A row that cannot be used: the line where it begins, our name for the column or `-`, and why."""

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


def columns_of(names: Sequence[str], mapped: Mapping[str, str]) -> dict[str, str]:
    """For each of our columns that the file has, its name there.

    `mapped` (from --map) comes first; a column of ours that it maps to nothing is not read.
    """
    found = {}
    for ours in COLUMNS:
        candidates = _mapped(names, mapped[ours]) if ours in mapped else _known(tuple(names), ours)
        if candidates:
            found[ours] = candidates[0]
        if ours == "email" and len(candidates) > 1:
            raise HeaderError(f"several columns could hold the address: {_listed(candidates)} (rename all but one)")
    if "email" not in found:
        mend = "name the columns in the first line or say --map email=COLUMN; for a plain list --format txt"
        raise HeaderError(f"no column of addresses among: {_listed(names)} ({mend})")
    return found


def names_address(*names: str) -> bool:
    """Whether any of the names is one that columns of addresses have."""
    return bool(_known(names, "email"))


def clipped(text: str) -> str:
    """The text, of a length that can be shown."""
    return text if len(text) <= _MAX_CAUSE else text[: _MAX_CAUSE - 3] + "..."


def _mapped(names: Sequence[str], wanted: str) -> list[str]:
    """The columns that the user named so."""
    if not wanted:
        return []
    found = [name for name in names if name.strip().lower() == wanted.strip().lower()]
    if not found:
        raise HeaderError(f"there is no column {wanted!r}; the file has: {_listed(names)}")
    return found


@lru_cache(maxsize=64)  # JSON lines name their columns again in every row
def _known(names: tuple[str, ...], ours: str) -> list[str]:
    """The columns that bear the first of our aliases that any does: `E-Mail_Address` is `emailaddress`."""
    letters = {name: "".join(filter(str.isalnum, name.lower())) for name in names}
    by_alias = ([name for name in names if letters[name] == alias] for alias in COLUMNS[ours])
    return next((found for found in by_alias if found), [])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:_NOTES]) for name in names[:_NOTES]) or "nothing"


def _reason(text: str) -> Reason | None:
    word = text.strip().lower().replace(" ", "_").replace("-", "_")
    if not word:
        return None
    try:
        return Reason(word)
    except ValueError:
        cause = f"unknown reason {text.strip()[:_NOTES]!r} (use {', '.join(Reason)}; --map reason= reads none)"
        raise _ValueError("reason", cause) from None


def _date(text: str) -> datetime | None:
    word = text.strip()
    if not word:
        return None
    try:
        at = _moment(word)
        # In UTC, for a time in the last hours of the year 9999 elsewhere could be stored and never be read again.
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        cause = f"{word[:_NOTES]!r} is no date (write 2026-02-01, 2026-02-01T12:30:00Z or seconds since 1970)"
        raise _ValueError("date", cause) from None


def _moment(word: str) -> datetime:
    match = _SECONDS.fullmatch(word)
    if match is None or len(word) == _COMPACT_DATE_DIGITS:
        return datetime.fromisoformat(word.removesuffix(" UTC"))
    number = int(match[1])
    return datetime.fromtimestamp(number / 1000 if len(match[1]) == _MILLISECONDS_DIGITS else number, UTC)
