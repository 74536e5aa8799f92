"""What a delivered message takes along: its unsubscribe header, the sender to which bounces come back, a copy to check.

One person's link must not reach another, so a message to several people carries no token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from consentmilter import tokens
from consentmilter.headers import Add, Edit, unsubscribe_edits
from consentmilter.policy.mail import Headers
from consentmilter.policy.site import Stream
from consentmilter.service.desk import Desk
from consentmilter.tokens import Purpose


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Edits of the header, the envelope sender to put in place, and the address that gets a copy."""

    edits: tuple[Edit, ...] = ()
    sender: str | None = None
    copy_to: str | None = None


def outgoing(desk: Desk, stream: Stream, headers: Headers, sender: str, people: Sequence[bytes]) -> Outgoing:
    """What a message of `stream` to these people, by their subject keys, takes along."""
    person = people[0] if len(people) == 1 else None
    bounce = _bounce(desk, stream, sender, person)
    if not stream.unsubscribe_header:
        return Outgoing(sender=bounce)
    token = _token(desk, stream, person, Purpose.UNSUBSCRIBE) if person else None
    edits = unsubscribe_edits(stream, headers, token)
    labelled = token is not None and any(isinstance(edit, Add) for edit in edits)
    copy_to = desk.copy_to(stream.name, desk.now()) if labelled else None
    if desk.withheld(stream.name) and copy_to is None:
        # A copy shows both fields, or nobody would ever find out that they are covered again.
        edits = unsubscribe_edits(stream, headers, token, one_click=False)
    return Outgoing(tuple(edits), bounce, copy_to)


def _bounce(desk: Desk, stream: Stream, sender: str, person: bytes | None) -> str | None:
    # A null sender asks for no bounces (RFC 5321 section 4.5.5), and in observe mode nothing about the mail changes.
    if not (stream.verp and stream.bounce and stream.enforced and sender and person):
        return None
    local, _, domain = stream.bounce.rpartition("@")
    return f"{local}+{_token(desk, stream, person, Purpose.BOUNCE)}@{domain}"


def _token(desk: Desk, stream: Stream, person: bytes, purpose: Purpose) -> str:
    issued = desk.now().date()
    return tokens.make(tokens.Token(purpose, person, tokens.stream_hash(stream.name), issued), desk.ring)
