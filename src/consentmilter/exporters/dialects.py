"""How the list is written for those who keep one line for each address: Postfix, partners, other mail systems.

A dialect says what it takes and how a line of it looks; what it cannot say is for others to count. docs/export.md says
the same in words, and where the forms come from.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from consentmilter.exporters import cells
from consentmilter.exporters.rows import stamp
from consentmilter.model import Reason, Suppression

_MAP_KEY = re.compile(r"[^\s\"#\x00-\x1f\x7f][^\s\"\x00-\x1f\x7f]*")
"""What postmap(1) takes as a key as it stands: a blank ends a key, and # begins a comment."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _any(_subject: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to write a list of addresses.

    `says` are the reasons that a line tells apart, None where it has no use for any. `holds` tells whether it can hold
    an address at all. `digest` is how many octets the digests of a hash list have, whose lines are sorted.
    """

    line: Callable[[str, Suppression], str]
    header: str = ""
    domains: bool = False
    says: frozenset[Reason] | None = None
    holds: Callable[[str], bool] = _any
    digest: int | None = None


def _hash_list(algorithm: str) -> Dialect:
    def digest(address: str, _row: Suppression) -> str:
        # Protection is not what it is for: partners agreed on the algorithm.
        return hashlib.new(algorithm, address.lower().encode(), usedforsecurity=False).hexdigest() + "\n"

    return Dialect(digest, digest=hashlib.new(algorithm, usedforsecurity=False).digest_size)


def _postfix(subject: str, _row: Suppression) -> str:
    return f"{subject} REJECT opted out\n"


def _sendgrid(address: str, row: Suppression) -> str:
    return cells.line([address, str(int(row.created.timestamp()))])


def _ses(address: str, row: Suppression) -> str:
    return cells.line([address, "BOUNCE" if row.reason is Reason.HARD_BOUNCE else "COMPLAINT"])


def _mailgun(address: str, row: Suppression) -> str:
    return cells.line([address, "*", _mail_date(row.created)])


def _mail_date(time: datetime) -> str:
    """A time as a Date field has it (RFC 5322 section 3.3), whatever the locale."""
    utc = time.astimezone(UTC)
    return f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc:%Y %H:%M:%S} +0000"


_POSTMARK = {Reason.HARD_BOUNCE: ("HardBounce", "Recipient"), Reason.COMPLAINT: ("SpamComplaint", "Recipient")}
_BY_THE_PERSON = frozenset({Reason.UNSUBSCRIBE, Reason.OBJECTION})


def _postmark(address: str, row: Suppression) -> str:
    origin = "Recipient" if row.reason in _BY_THE_PERSON else "Customer"
    reason, origin = _POSTMARK.get(row.reason, ("ManualSuppression", origin))
    return cells.line([address, reason, origin, stamp(row.created)])


DIALECTS = {
    "postfix": Dialect(_postfix, domains=True, holds=lambda subject: bool(_MAP_KEY.fullmatch(subject))),
    "sha256": _hash_list("sha256"),
    "sha1": _hash_list("sha1"),
    "md5": _hash_list("md5"),
    "sendgrid": Dialect(_sendgrid, cells.line(["email", "created"]), says=frozenset({Reason.UNSUBSCRIBE})),
    "ses": Dialect(_ses, says=frozenset({Reason.HARD_BOUNCE, Reason.COMPLAINT})),
    "mailgun": Dialect(_mailgun, cells.line(["address", "tags", "created_at"]), says=frozenset({Reason.UNSUBSCRIBE})),
    "postmark": Dialect(
        _postmark,
        cells.line(["EmailAddress", "SuppressionReason", "Origin", "CreatedAt"]),
        says=frozenset({Reason.HARD_BOUNCE, Reason.COMPLAINT, Reason.MANUAL}),
    ),
}
