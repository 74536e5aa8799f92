"""Undo tokens: what the page that answers a click holds, to take exactly that click back for a short while. Pure.

A token names the subject, the scopes and the second of the click, under a keyed BLAKE2b tag of its own personalisation:
no other token can be taken for one, nor one for any other. The clock is passed in. `read` raises `TokenError` for
anything that `make` did not make, and once the time is over.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from consentmilter.errors import TokenError
from consentmilter.keys import SUBJECT_OCTETS, KeyRing
from consentmilter.tokens import Purpose

VALID = timedelta(minutes=30)
"""How long a click can be taken back: as long as a page stands open, not longer."""

_TIME_OCTETS = 5
_TAG_OCTETS = 16
_SCOPES = 1 + SUBJECT_OCTETS + _TIME_OCTETS


@dataclass(frozen=True, slots=True)
class Undo:
    """One click: `subject` opted out of `scopes` at `at`, a whole second."""

    subject: bytes
    scopes: tuple[str, ...]
    at: datetime


def make(click: Undo, ring: KeyRing) -> str:
    """The token's text, signed with the current token key."""
    body = b"".join(
        (
            bytes([Purpose.UNDO << 5 | ring.token_current]),
            click.subject,
            int(click.at.timestamp()).to_bytes(_TIME_OCTETS, "big"),
            "\n".join(click.scopes).encode(),
        )
    )
    return _encode(body + _tag(body, ring.token[ring.token_current]))


def read(text: str, ring: KeyRing, now: datetime) -> Undo:
    """The click that the token names, if we made the token and the time is not over."""
    octets = _octets(text)
    body, tag = octets[:-_TAG_OCTETS], octets[-_TAG_OCTETS:]
    secret = ring.token.get(body[0] & 0b11111)
    if secret is None or not hmac.compare_digest(tag, _tag(body, secret)):
        raise TokenError("the undo token was not made here, or was altered")
    at = datetime.fromtimestamp(int.from_bytes(body[1 + SUBJECT_OCTETS : _SCOPES], "big"), UTC)
    if now >= at + VALID:
        raise TokenError("the time to take the click back is over")
    return Undo(body[1 : 1 + SUBJECT_OCTETS], tuple(body[_SCOPES:].decode().split("\n")), at)


def _octets(text: str) -> bytes:
    try:
        octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:  # ValueError: not ASCII
        raise TokenError("an undo token holds letters, digits, - and _ only") from error
    # The last character has bits to spare; only one spelling of a token is good.
    if len(octets) <= _SCOPES + _TAG_OCTETS or _encode(octets) != text:
        raise TokenError("the undo token was altered")
    return octets


def _encode(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def _tag(body: bytes, secret: bytes) -> bytes:
    return blake2b(body, digest_size=_TAG_OCTETS, key=secret, person=b"cm-undo").digest()
