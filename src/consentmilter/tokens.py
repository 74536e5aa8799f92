"""Tokens: 52 characters in a link that say who, of which stream, for what purpose, and prove that we made them.

32 octets in base32 (RFC 4648 section 6), any letter case:

    3 bits purpose, 5 bits token key number | 16 subject key | 4 stream hash | 2 day of issue | 9 tag

The tag is keyed BLAKE2b over all that stands before it. No address is inside. A token is good for its purpose only;
`read` raises `TokenError` for anything that `make` did not make.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from hashlib import blake2b

from consentmilter.errors import TokenError
from consentmilter.keys import SUBJECT_OCTETS, KeyRing

LENGTH = 52
STREAM_OCTETS = 4

_TAG_OCTETS = 9
_BODY_OCTETS = 1 + SUBJECT_OCTETS + STREAM_OCTETS + 2
_EPOCH = date(1970, 1, 1)


class Purpose(IntEnum):
    """What a token may be used for; never for anything else."""

    UNSUBSCRIBE = 0
    BOUNCE = 1
    UNDO = 2
    CONFIRM = 3
    OPT_IN = 4


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. `stream` is the hash of the stream's name (`stream_hash`)."""

    purpose: Purpose
    subject: bytes
    stream: bytes
    issued: date


def stream_hash(name: str) -> bytes:
    """The 4 octets that stand for a stream's name in a token; `config check` refuses two streams that share them."""
    return blake2b(name.encode(), digest_size=STREAM_OCTETS, person=b"cm-stream").digest()


def make(token: Token, ring: KeyRing) -> str:
    """The token's text, signed with the current token key, in lower case."""
    body = b"".join(
        (
            bytes([token.purpose << 5 | ring.token_current]),
            token.subject,
            token.stream,
            (token.issued - _EPOCH).days.to_bytes(2, "big"),
        )
    )
    octets = body + _tag(body, ring.token[ring.token_current])
    return base64.b32encode(octets).decode("ascii").rstrip("=").lower()


def read(text: str, purpose: Purpose, ring: KeyRing) -> Token:
    """What the token says, if we made it for this purpose with a key that is still on the ring."""
    octets = _octets(text)
    body, tag = octets[:_BODY_OCTETS], octets[_BODY_OCTETS:]
    secret = ring.token.get(body[0] & 0b11111)
    if secret is None or not hmac.compare_digest(tag, _tag(body, secret)):
        raise TokenError("the token was not made here, or was altered")
    if body[0] >> 5 != purpose:
        raise TokenError(f"the token is not meant for {purpose.name.lower()}")
    return Token(
        purpose=purpose,
        subject=body[1 : 1 + SUBJECT_OCTETS],
        stream=body[1 + SUBJECT_OCTETS : -2],
        issued=_EPOCH + timedelta(days=int.from_bytes(body[-2:], "big")),
    )


def _octets(text: str) -> bytes:
    if len(text) != LENGTH or not text.isascii():
        raise TokenError(f"a token has {LENGTH} characters")
    upper = text.upper()
    try:
        octets = base64.b32decode(upper + "====")
    except binascii.Error as error:
        raise TokenError("a token holds letters and the digits 2 to 7 only") from error
    # The last character has four bits to spare; only one spelling of a token is good.
    if base64.b32encode(octets).decode("ascii").rstrip("=") != upper:
        raise TokenError("the token was altered")
    return octets


def _tag(body: bytes, secret: bytes) -> bytes:
    return blake2b(body, digest_size=_TAG_OCTETS, key=secret, person=b"cm-token").digest()
