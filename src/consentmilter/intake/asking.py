"""Ask a person whether a request was theirs: what the question says, and what confirms it.

Raises StoreError and SubmissionError; then the question was not sent, or not noted as sent.
"""

from email.utils import make_msgid

from consentmilter import tokens
from consentmilter.config.schema import UnsubscribeConfig
from consentmilter.intake.desk import Desk
from consentmilter.intake.letter import Question, write
from consentmilter.intake.mail import Mail, Person
from consentmilter.model import ALL
from consentmilter.tokens import Purpose, Token, stream_hash


def can_ask(desk: Desk, scope: str) -> bool:
    """Whether there is a sender for questions, and a page or an address to answer to."""
    ways = _ways(desk, scope)
    return desk.config.intake.sender is not None and bool(ways.url or ways.mailto)


async def ask(desk: Desk, person: Person, scope: str, mail: Mail) -> bool:
    """Send the question, unless the person was asked the same within a day; whether it was sent."""
    return await desk.confirming.ask(person.subject, scope, lambda: _send(desk, person, scope, mail))


async def _send(desk: Desk, person: Person, scope: str, mail: Mail) -> None:
    sender = desk.config.intake.sender
    assert sender is not None  # or nobody is asked: can_ask
    day = desk.now().date()
    token = tokens.make(Token(Purpose.CONFIRM, person.subject, stream_hash(scope), day), desk.ring)
    ways = _ways(desk, scope)
    reply_to = _with_token(ways.mailto, token) if ways.mailto else None
    links = [f"{ways.url}/u/{token}" if ways.url else None, f"mailto:{reply_to}" if reply_to else None]
    question = Question(
        recipient=person.address,
        sender=sender,
        what=_what(desk, scope, sender),
        links=tuple(link for link in links if link),
        reply_to=reply_to,
        in_reply_to=mail.message_id,
        references=mail.references,
    )
    message_id = make_msgid(domain=sender.rpartition("@")[2])
    await desk.send(write(question, date=desk.now(), message_id=message_id), person.address)


def _ways(desk: Desk, scope: str) -> UnsubscribeConfig:
    """The organisation's own page and address, else the site's."""
    site = desk.config.unsubscribe
    organisation = desk.config.organisations.get(scope.partition(".")[0])
    if organisation is None:
        return site
    own = organisation.unsubscribe
    return UnsubscribeConfig(url=own.url or site.url, mailto=own.mailto or site.mailto)


def _with_token(mailto: str, token: str) -> str:
    local, _, domain = mailto.rpartition("@")
    return f"{local}+{token}@{domain}"


def _what(desk: Desk, scope: str, sender: str) -> str:
    """What would stop, in names only, whatever the language around them."""
    if scope == ALL:
        return sender.rpartition("@")[2]
    target = desk.targets.of_name(scope)
    names = [target.stream.title if target.stream else "", target.organisation.title if target.organisation else ""]
    return ", ".join(dict.fromkeys(filter(None, names))) or scope
