"""Which list fields the DKIM signatures on a message leave open: what the self-check asks of our own outgoing mail.

RFC 8058 section 4: one valid signature must cover both fields. Whether it is valid is the verifier's to say; this reads
`h=` (RFC 6376 3.5), where a name stands once for each field of that name that is signed. Never fails.
"""

import re

from consentmilter.policy.mail import Headers
from consentmilter.reports.message import Incoming

NAMES = ("List-Unsubscribe", "List-Unsubscribe-Post")

_SIGNED = re.compile(r"(?:^|;)\s?h\s?=([^;]*)")


def uncovered(incoming: Incoming) -> tuple[str, ...]:
    """Those of the two fields on the message that the best signature on it leaves open; none that is not there."""
    headers = incoming.headers
    present = tuple(name for name in NAMES if headers.has(name.lower()))
    left = [_left(present, headers, signature) for signature in headers.values("dkim-signature")]
    return min(left, key=len, default=present)


def _left(present: tuple[str, ...], headers: Headers, signature: str) -> tuple[str, ...]:
    listed = _SIGNED.search(signature)
    signed = [name.strip().lower() for name in listed[1].split(":")] if listed else []
    return tuple(name for name in present if signed.count(name.lower()) < headers.count(name.lower()))
