"""The values of single cells: words, dates and digests, as the many systems write them.

Raises `ValueFault`, which says why a cell cannot be read.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

from consentmilter.model import Reason

COMMON_WORDS: dict[str, Reason | str] = {
    **{reason.replace("_", ""): reason for reason in Reason},
    "bounce": Reason.HARD_BOUNCE,
    "bounced": Reason.HARD_BOUNCE,
    "cleaned": Reason.HARD_BOUNCE,
    "invalid": Reason.HARD_BOUNCE,
    "invalidemail": Reason.HARD_BOUNCE,
    "spam": Reason.COMPLAINT,
    "spamcomplaint": Reason.COMPLAINT,
    "spamreport": Reason.COMPLAINT,
    "unsub": Reason.UNSUBSCRIBE,
    "unsubscribed": Reason.UNSUBSCRIBE,
    "optout": Reason.UNSUBSCRIBE,
    "optedout": Reason.UNSUBSCRIBE,
    "softbounce": "soft bounce",
    "softbounced": "soft bounce",
}
"""Reasons in small letters and digits alone, as they are written everywhere; a text says what is no opt-out."""

_FALSE = frozenset({"", "0", "false", "f", "no", "n", "null", "none"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SECONDS = re.compile(r"(\d+)(?:\.\d*)?", re.ASCII)
_MAIL_DATE = re.compile(
    r"(?:[a-z]{3},\s*)?(\d{1,2})\s+([a-z]{3})\s+(\d{4})\s+(\d\d:\d\d(?::\d\d)?)\s+(gmt|utc|ut|z|[+-]\d{4})(?:\s+\(.*\))?",
    re.ASCII | re.IGNORECASE,
)
"""RFC 5322 section 3.3, with the zones that programs write."""

_DIGEST = re.compile(r"[0-9a-f]{32}(?:[0-9a-f]{8})?(?:[0-9a-f]{24})?", re.ASCII | re.IGNORECASE)
_DIGEST_DIGITS = (32, 40, 64)
_MILLISECONDS_DIGITS = 13
_COMPACT_DATE_DIGITS = 8
_SHOWN = 60


class ValueFault(Exception):  # noqa: N818 - a fault of the file's; it never leaves this package
    """A cell that cannot be read, and why."""


@lru_cache(maxsize=4096)
def word(text: str) -> str:
    """The letters and digits of a text, small: `Hard-Bounce`, `HARD_BOUNCE` and `HardBounce` are one word."""
    return "".join(filter(str.isalnum, text.lower()))


def is_true(text: str) -> bool:
    """Whether a flag is set: anything but nothing, and the words for no."""
    return text.strip().lower() not in _FALSE


@lru_cache(maxsize=4096)
def moment(text: str) -> datetime | None:
    """A time, in UTC where no zone is named; None for nothing."""
    written = text.strip()
    if not written:
        return None
    try:
        at = _moment(written)
        # In UTC, for a time in the last hours of the year 9999 elsewhere could be stored and never be read again.
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        mend = "write 2026-02-01, 2026-02-01T12:30:00Z or seconds since 1970"
        raise ValueFault(f"{written[:_SHOWN]!r} is no date ({mend})") from None


def is_digest(text: str) -> bool:
    """Whether it is an MD5, SHA-1 or SHA-256 in hexadecimal digits."""
    return len(text) in _DIGEST_DIGITS and _DIGEST.fullmatch(text) is not None


def digest(text: str) -> bytes:
    """The octets of such a digest."""
    written = text.strip()
    if not is_digest(written):
        raise ValueFault(f"{written[:_SHOWN]!r} is no digest (32, 40 or 64 hexadecimal digits)")
    return bytes.fromhex(written)


def unknown_reason(text: str) -> ValueFault:
    """The fault of a reason that nobody knows."""
    return ValueFault(f"unknown reason {text.strip()[:_SHOWN]!r} (use {', '.join(Reason)}; --map reason= reads none)")


def _moment(written: str) -> datetime:
    if match := _MAIL_DATE.fullmatch(written):
        day, month, year, time, zone = match.groups()
        offset = zone if zone[0] in "+-" else "+0000"
        number = _MONTHS.index(month.lower()) + 1
        return datetime.fromisoformat(f"{year}-{number:02}-{int(day):02}T{time}{offset}")
    match = _SECONDS.fullmatch(written)
    if match is None or len(written) == _COMPACT_DATE_DIGITS:
        return datetime.fromisoformat(written.removesuffix(" UTC"))
    number = int(match[1])
    return datetime.fromtimestamp(number / 1000 if len(match[1]) == _MILLISECONDS_DIGITS else number, UTC)
