"""What a mail to one of our addresses leads to. Decides, and does nothing.

No clock, no I/O: the mail is parsed and the address told apart before, and `act` carries out what is decided here.
Nothing suppresses but a token of ours or an authenticated sender; what is neither is asked back, kept for somebody to
read, or ignored with a cause. Raises nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from consentmilter.intake.address import BySender, ByToken, Door, ForBounces, ForCopies, Manner, organisation_of
from consentmilter.intake.mail import Mail, Person
from consentmilter.model import Reason
from consentmilter.reports.complaint import Complaint
from consentmilter.reports.delivery import Bounce
from consentmilter.reports.statuses import Kind
from consentmilter.reports.words import Intent
from consentmilter.tokens import Purpose, Token

FindToken = Callable[..., tuple[Token, str] | None]
"""`find(text, *purposes)`: the token that a text is, and the scope that it names (`Doors.of_token`)."""


@dataclass(frozen=True, slots=True)
class Suppress:
    """Send this person no more of `scope`; `source` is the way by which it was said."""

    subject: bytes
    scope: str
    reason: Reason
    source: str
    evidence: str
    address: str | None = None


@dataclass(frozen=True, slots=True)
class CountFailure:
    """A failure that may pass."""

    subject: bytes
    scope: str
    status: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the person whether the request was theirs."""

    person: Person
    scope: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Keep it until somebody has read it. `kind` is `unclear`, or `unproven` where the sender could be anybody."""

    person: Person
    scope: str
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """What the signature of a copy of our own mail does not cover; the token is that of the copy's link."""

    token: Token
    stream: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ignore:
    """Nothing is to be done."""

    cause: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """The sender is to hear that nothing could be done."""

    cause: str


Decision = Suppress | CountFailure | Ask | Keep | NoteSignature | Ignore | Refuse


def decide(door: Door, mail: Mail | None, find: FindToken) -> Decision:
    """What follows from a mail to `door`; `mail` is None where it is too odd to be read."""
    if isinstance(door, ByToken):
        return _by_token(door, mail)
    if mail is None:
        return Refuse("unreadable")
    if isinstance(door, ForCopies):
        return _copy(mail, find)
    if mail.complaint is not None:
        return _complaint(mail, mail.complaint, find)
    return _bounce(door, mail.bounce) if isinstance(door, ForBounces) else _request(door, mail)


def _by_token(door: ByToken, mail: Mail | None) -> Decision:
    """Our own token says it all, whatever the mail says: clients send it empty, or marked as automatic."""
    if door.token.purpose is Purpose.CONFIRM and (mail is None or mail.automatic):
        return Ignore("automatic")  # an answering machine that replies to our question confirms nothing
    said = "confirmed by mail" if door.token.purpose is Purpose.CONFIRM else "mail to the unsubscribe address"
    person = mail.person if mail else None
    own = person if person and person.subject == door.token.subject else None
    evidence = _evidence(said, mail)
    return Suppress(door.token.subject, door.scope, Reason.UNSUBSCRIBE, "mail", evidence, own.address if own else None)


def _bounce(door: ForBounces, bounce: Bounce) -> Decision:
    """Who it was sent to says the address that the report came to, never the report."""
    status = bounce.status or "no status"
    match bounce.kind:
        case Kind.HARD:
            evidence = f"delivery failed for good: {status}"
            return Suppress(door.token.subject, door.scope, Reason.HARD_BOUNCE, "bounce", evidence)
        case Kind.SOFT:
            return CountFailure(door.token.subject, door.scope, status)
        case Kind.POLICY:
            return Ignore("policy bounce")
        case Kind.NONE:
            return Ignore("no bounce")


def _complaint(mail: Mail, said: Complaint, find: FindToken) -> Decision:
    """Whoever presses "spam" means the sender, not one of its streams: the scope is the organisation."""
    if not said.unwanted:
        return Ignore("feedback that is no complaint")
    for text in said.tokens:
        if found := find(text, Purpose.UNSUBSCRIBE, Purpose.BOUNCE):
            token, scope = found
            evidence = _evidence("complaint by feedback report", mail)
            return Suppress(token.subject, organisation_of(scope), Reason.COMPLAINT, "complaint", evidence)
    return Ignore("complaint without a token")


def _copy(mail: Mail, find: FindToken) -> Decision:
    if not mail.one_click:
        return Ignore("copy without a one-click field")  # of which no signature can be missing
    for text in mail.links:
        if found := find(text, Purpose.UNSUBSCRIBE):
            return NoteSignature(found[0], found[1], mail.uncovered)
    return Ignore("copy without a token")


def _request(door: BySender, mail: Mail) -> Decision:
    """A mail that a person wrote, or seems to have written."""
    if mail.person is None:
        return Refuse("no sender")
    if _is_automatic(door.manner, mail):
        return Ignore("automatic")
    match _wish(door.manner, mail):
        case Intent.OPT_OUT if mail.aligned:
            evidence = _evidence("mail from the address itself", mail)
            subject, address = mail.person.subject, mail.person.address
            return Suppress(subject, door.scope, Reason.UNSUBSCRIBE, "mail", evidence, address)
        case Intent.OPT_OUT:
            return Ask(mail.person, door.scope)
        case Intent.UNCLEAR:
            return Keep(mail.person, door.scope, "unclear" if mail.aligned else "unproven", mail.words)
        case Intent.NOTHING:
            return Ignore("no request")


def _is_automatic(manner: Manner, mail: Mail) -> bool:
    """Whether nobody wishes what the mail says.

    A mail program may mark what it sends for a person as automatic, and the address of a stream stands nowhere but in
    the header that such programs read.
    """
    return mail.is_report or (mail.automatic and not (manner is Manner.STREAM and mail.aligned))


def _wish(manner: Manner, mail: Mail) -> Intent:
    """What a mail asks for, given what the address that it went to is for."""
    if manner is Manner.STREAM:
        return Intent.OPT_OUT
    if manner is Manner.PLAIN and mail.intent is Intent.NOTHING:
        return Intent.UNCLEAR if mail.words else Intent.OPT_OUT
    return mail.intent


def _evidence(said: str, mail: Mail | None) -> str:
    return f"{said} ({mail.message_id})" if mail and mail.message_id else said
