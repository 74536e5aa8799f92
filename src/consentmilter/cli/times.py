"""Times that somebody writes after an option, in UTC unless they say otherwise.

Raise ValueError or OverflowError for what is none; the option's own message says how to write it.
"""

from datetime import UTC, date, datetime, time

_DAY = len("2026-03-01")


def utc_time(text: str) -> datetime:
    """The time; of a day its beginning."""
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def is_day(text: str) -> bool:
    """Whether it has no more than a date."""
    return len(text) <= _DAY


def utc_end(text: str) -> datetime:
    """The time; of a day its end."""
    if is_day(text):
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), UTC)
    return utc_time(text)
