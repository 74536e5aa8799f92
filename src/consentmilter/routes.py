"""X-Consent-Route: what the first pass of the loop found out, for the second pass to trust.

The second pass sees loopback and no login. The first pass therefore states the stream, the right and the time, with a
keyed tag over these, the envelope sender and the Message-ID, so that the statement is good for this one message only.
`read` raises `TokenError` for anything that `make` did not make for this message.
"""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

from consentmilter.errors import TokenError
from consentmilter.keys import KeyRing

LIFETIME = timedelta(days=14)
"""How long mail may wait between the passes: longer than any queue lifetime that is in use."""

_SKEW = timedelta(minutes=5)
_NO_STREAM = "-"


@dataclass(frozen=True, slots=True)
class Route:
    """What the first pass found: the stream's name (None: not in any) and the proof of the right to it."""

    stream: str | None
    right: str
    at: datetime


def make(route: Route, sender: str, message_id: str | None, ring: KeyRing) -> str:
    """The field's value. `sender` is canonical; `message_id` None if the message has none yet."""
    statement = _statement(route, with_id=message_id is not None, key_id=ring.token_current)
    return f"{statement}; tag={_tag(statement, sender, message_id, ring.token[ring.token_current])}"


def read(value: str, sender: str, message_id: str | None, ring: KeyRing, now: datetime) -> Route:
    """What the field says, if it was made for this message within its lifetime.

    Postfix gives local mail without a Message-ID one between the passes; the field says if there was none.
    """
    try:
        parts = dict(part.strip().split("=", 1) for part in value.split(";"))
        stream, right, at, key_id = parts["stream"], parts["right"], int(parts["t"]), int(parts["k"])
        route = Route(None if stream == _NO_STREAM else stream, right, datetime.fromtimestamp(at, UTC))
        with_id, tag = parts["id"] == "yes", _octets(parts["tag"])
    except (ValueError, KeyError, OverflowError, OSError) as error:
        raise TokenError("the route cannot be read") from error
    secret = ring.token.get(key_id)
    if secret is None:
        raise TokenError(f"the route was made with the unknown key {key_id}")
    expected = _tag(_statement(route, with_id=with_id, key_id=key_id), sender, message_id if with_id else None, secret)
    if not hmac.compare_digest(tag, expected.encode()):
        raise TokenError("the route was not made for this message")
    if not now - LIFETIME < route.at < now + _SKEW:
        raise TokenError("the route is out of its time")
    return route


def _statement(route: Route, *, with_id: bool, key_id: int) -> str:
    stream = route.stream or _NO_STREAM
    known = "yes" if with_id else "no"
    return f"stream={stream}; right={route.right}; t={int(route.at.timestamp())}; k={key_id}; id={known}"


def _tag(statement: str, sender: str, message_id: str | None, secret: bytes) -> str:
    covered = "\0".join((statement, sender, message_id or ""))
    return blake2b(_octets(covered), digest_size=16, key=secret, person=b"cm-route").hexdigest()


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # of any text, each its own
