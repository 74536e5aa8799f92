"""Double opt-in: ask a person whether they want a stream that was asked for in their name, and record their yes.

The mail goes out at most once a day for a person and a stream. It is noted after it was sent, with its Message-ID: if
it cannot be sent, nothing is noted, and the next try sends it. Its link is good for some days, until it is confirmed or
something else is said. Raises UsageError where the site has no sender or page to ask with, StoreBusyError while the
same is being asked already, SubmissionError while the mail server does not take the mail, and the store's errors.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from email.utils import make_msgid
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter import tokens
from consentmilter.config import Config
from consentmilter.errors import UsageError
from consentmilter.keys import KeyRing
from consentmilter.policy.site import Site, Stream
from consentmilter.service import consents
from consentmilter.service.confirming import ONCE_A, OneAtATime
from consentmilter.service.consents import Proof
from consentmilter.service.invitation import LANGUAGES, Invitation, write
from consentmilter.service.opt_in_standing import SOURCE, VALID, Known, Standing, last_word
from consentmilter.service.question import question
from consentmilter.service.submission import SubmissionError, submit
from consentmilter.service.suppressions import Actor, Clock, utc_now
from consentmilter.store import consents as stored
from consentmilter.store import entries
from consentmilter.store.writer import Store
from consentmilter.subjects import Subject
from consentmilter.tokens import Purpose, Token, stream_hash

PERSON = Actor("", SOURCE)
"""Who confirms: nobody but the holder of the link."""

Send = Callable[[bytes, str], Awaitable[None]]
"""Hand in a message to one recipient; raises SubmissionError."""


class Outcome(StrEnum):
    """What became of a request."""

    SENT = "sent"
    ASKED_BEFORE = "asked within a day already"
    CONFIRMED_BEFORE = "confirmed already"
    NOT_TO_BE_ASKED = "not to be asked"
    REFUSED = "refused by the mail server"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for in whose name; `proof` is how that is known, `language` that of the mail."""

    subject: Subject
    stream: Stream
    proof: Proof
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """How a link stands, and the version of the text that was shown where the mail was asked for."""

    standing: Standing
    text_version: str | None = None


class OptingIn:
    """Asks and records under one configuration; `send` hands the mail in."""

    def __init__(  # noqa: PLR0917 - what it works with
        self, config: Config, site: Site, ring: KeyRing, store: Store, now: Clock = utc_now, send: Send | None = None
    ) -> None:
        self._config = config
        self._site = site
        self._ring = ring
        self._store = store
        self._now = now
        self._send = send or self._submit
        self._asking = OneAtATime()

    async def ask(self, wish: Wish, actor: Actor) -> Outcome:
        """Send the person the question, and note that they were asked."""
        sender, page = self._ways(wish.stream)
        with self._asking.about(wish.subject.key, wish.stream.name):
            known = await self._known(wish.subject.key, wish.stream, wish.subject.text)
            if outcome := self._needless(known):
                return outcome
            message_id = make_msgid(domain=sender.rpartition("@")[2])
            try:
                await self._send(self._letter(wish, sender, page, message_id), wish.subject.text)
            except SubmissionError as error:
                if not error.permanent:
                    raise
                return Outcome.REFUSED
            await self._note(wish, actor, message_id)
            return Outcome.SENT

    async def look(self, token: Token, stream: Stream) -> Opening:
        """How the link with this token stands; changes nothing."""
        known = await self._known(token.subject, stream)
        return Opening(known.standing(token, self._now()), known.text_version)

    async def confirm(self, token: Token, stream: Stream, network: str | None) -> Opening:
        """Record that the holder of the link said yes, from this client network; how the link stands then."""
        opening = await self.look(token, stream)
        if opening.standing is not Standing.OPEN:
            return opening
        proof = Proof(
            evidence=f"confirmed by the link of {token.issued}", ip=network, text_version=opening.text_version
        )
        await consents.confirm(self._store, token.subject, stream.name, proof, PERSON, now=self._now)
        return await self.look(token, stream)

    def _needless(self, known: Known) -> Outcome | None:
        """Why nothing is sent, if nothing is."""
        now = self._now()
        if not known.may_be_asked(now):
            return Outcome.NOT_TO_BE_ASKED
        if known.confirmed(now):
            return Outcome.CONFIRMED_BEFORE
        return Outcome.ASKED_BEFORE if known.asked_since(now - ONCE_A) else None

    async def _known(self, subject: bytes, stream: Stream, address: str | None = None) -> Known:
        async def job(connection: AsyncConnection) -> Known:
            told = await entries.of_subjects(connection, [subject])
            word = last_word(told, stream)
            around = address or (word.evidence.data.get("address") if word and word.evidence else None)
            keys, own = self._keys(subject, around)
            facts = await stored.facts(connection, keys)
            return Known(stream, word, replace(facts, own=own))

        return await self._store.read(job)

    def _keys(self, subject: bytes, address: str | None) -> tuple[list[bytes], frozenset[bytes]]:
        """All keys and digests under which something may stand, and those of the person alone."""
        if address is None:
            return [subject], frozenset({subject})
        asked = question(address, self._ring, self._site.foldings)
        return list(dict.fromkeys([subject, *asked.keys])), asked.own | {subject}

    def _ways(self, stream: Stream) -> tuple[str, str]:
        """The sender of the mail, and the address of the pages."""
        sender, url = self._config.intake.sender, stream.unsubscribe_url
        if sender is None or url is None:
            raise UsageError("nobody can be asked: set intake.sender, and unsubscribe.url for the page")
        return sender, url

    def _letter(self, wish: Wish, sender: str, page: str, message_id: str) -> bytes:
        now, stream = self._now(), wish.stream
        token = Token(Purpose.OPT_IN, wish.subject.key, stream_hash(stream.name), now.date())
        organisation = self._site.organisations.get(stream.name.partition(".")[0])
        language = wish.language if wish.language in LANGUAGES else self._config.web.languages[0]
        invitation = Invitation(
            recipient=wish.subject.text,
            sender=sender,
            language=language,
            name=organisation.title if organisation else sender.rpartition("@")[2],
            address=organisation.address if organisation else None,
            title=stream.title,
            description=stream.description,
            link=f"{page}/c/{tokens.make(token, self._ring)}",
            until=now.date() + VALID,
        )
        return write(invitation, date=now, message_id=message_id)

    async def _note(self, wish: Wish, actor: Actor, message_id: str) -> None:
        stored_address = wish.subject.text if self._config.privacy.store_addresses else None
        await consents.request(
            self._store, wish.subject.key, wish.stream.name, replace(wish.proof, message_id=message_id), actor,
            address=stored_address, now=self._now,
        )  # fmt: skip

    async def _submit(self, message: bytes, recipient: str) -> None:
        await submit(self._config.intake.submit, message, recipient=recipient)
