"""Somebody who is asked for consent on the site of the page tests, and the link that they get."""

import email
import email.policy
import re
from email.message import EmailMessage

from consentmilter.ledger import Action, Entry
from consentmilter.model import Assertion, Consent, Reason
from consentmilter.policy.decide import Decision
from consentmilter.service import asking, consents
from consentmilter.service.consents import Proof
from consentmilter.service.opting_in import Outcome, Wish
from consentmilter.service.suppressions import Actor, assert_one, history
from consentmilter.subjects import subject_named
from tests.web.pages_site import RING, Served

READER = "reader@example.net"
FORM = Actor("form", "api")
STREAM = "acme.newsletter"
SIGNED_UP = Proof(form="footer", ip="203.0.113.9", text_version="2026-02 <b>")

YES = {"do": "confirm"}


def key(who: str = READER) -> bytes:
    return subject_named(who, RING, {}).key


async def ask(site: Served, who: str = READER, stream: str = STREAM, language: str | None = None) -> Outcome:
    """Have somebody asked for consent."""
    subject = subject_named(who, RING, {})
    wish = Wish(subject, site.context.site.streams[stream], SIGNED_UP, language)
    return await site.context.opting_in.ask(wish, FORM)


async def link(site: Served, who: str = READER, stream: str = STREAM) -> str:
    """The path of the link that somebody gets who is asked."""
    assert await ask(site, who, stream) is Outcome.SENT
    return path_in(site.sent[-1])


def letter(octets: bytes) -> EmailMessage:
    return email.message_from_bytes(octets, policy=email.policy.default)


def path_in(octets: bytes) -> str:
    """The path of the one link in a mail."""
    [path] = re.findall(r"https://u\.example\.com(/c/\w{52})\s", letter(octets).get_content())
    return str(path)


async def say(site: Served, reason: Reason, scope: str = STREAM, who: str = READER) -> None:
    """Have something stand against somebody."""
    await assert_one(site.context.store, Assertion(key(who), who, scope, reason), Actor("alice", "cli"), now=site.clock)


async def withdraw(site: Served, scope: str = STREAM) -> None:
    """Have the reader take their consent back."""
    await consents.withdraw(site.context.store, key(), scope, Proof(), Actor("alice", "cli"), now=site.clock)


async def held(site: Served) -> list[Consent]:
    """What is recorded of the reader's consents."""
    return await consents.held(site.context.store, [key()])


async def told(site: Served, action: Action) -> list[Entry]:
    """What the ledger tells of the reader."""
    return [entry for entry in await history(site.context.store, [key()]) if entry.action is action]


async def verdict(site: Served, stream: str = STREAM) -> Decision:
    """What becomes of mail to the reader."""
    context = site.context
    streams = [context.site.streams[stream]]
    answer = await asking.ask(context.store, RING, context.site.foldings, READER, streams, context.now())
    return answer.decisions[0]
