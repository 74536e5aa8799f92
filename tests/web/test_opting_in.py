"""The mail that asks for consent: what it says, how often it is sent, and to whom never."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest

from consentmilter.config.roles import Language
from consentmilter.errors import StoreBusyError, UsageError
from consentmilter.ledger import Action
from consentmilter.model import ConsentState, Reason
from consentmilter.service import rights
from consentmilter.service.invitation import LANGUAGES
from consentmilter.service.opting_in import OptingIn, Outcome
from consentmilter.service.person import person_named
from consentmilter.service.rights import Hand
from consentmilter.service.submission import SubmissionError
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import JOURNAL
from tests.web.opt_in_site import FORM, READER, STREAM, YES, ask, held, letter, link, path_in, say, told, withdraw
from tests.web.pages_site import NOON, RING, Served, on_site
from tests.web.test_pages import heading


def test_the_mail_says_who_asks_for_what_and_nothing_else(url: str) -> None:
    """With the manners of an automatic mail (RFC 3834), and until when the link works."""

    async def story(site: Served) -> None:
        path = await link(site)
        [sent] = site.sent
        mail = letter(sent)
        assert mail["From"] == "Acme Ltd <consent@example.com>"
        assert (mail["To"], mail["Subject"]) == (READER, "Please confirm: Weekly newsletter")
        assert (mail["Auto-Submitted"], mail["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
        assert mail["Date"].datetime == NOON
        assert not {"List-Unsubscribe", "Precedence"} & set(mail.keys())
        text = mail.get_content()
        for part in ("Weekly newsletter", "What is new, once a week.", "Acme Ltd", "1 Road", path, "2026-03-09"):
            assert part in text
        assert text.count("http") == 1

    on_site(url, story)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_mail_comes_in_the_language_of_the_form(url: str, language: Language) -> None:
    """With everything in it that the English one has."""

    async def story(site: Served) -> None:
        await ask(site, stream="acme.offers", language=language)
        mail = letter(site.sent[0])
        assert mail["Content-Language"] == language
        assert "Offers & <discounts>" in mail["Subject"]
        assert path_in(site.sent[0])
        assert "2026-03-09" in mail.get_content()
        assert site.sent[0].isascii()
        assert ("please confirm" in mail.get_content()) is (language == "en")

    on_site(url, story)


def test_without_a_language_it_is_the_first_of_the_site(url: str) -> None:
    """The site knows whom it mails."""

    async def story(site: Served) -> None:
        await ask(site)
        assert letter(site.sent[0])["Content-Language"] == "nl"

    on_site(url, story, web={"languages": ["nl", "en"]})


def test_there_is_a_mail_for_every_language_of_the_pages() -> None:
    """And no other."""
    assert sorted(LANGUAGES) == sorted(get_args(Language))


def test_a_person_is_asked_once_a_day_about_a_stream(url: str) -> None:
    """Whoever fills in a form over and over mails nobody over and over."""

    async def story(site: Served) -> None:
        outcomes = []
        for hours in (0, 1, 22, 1.5):
            site.clock.turn(hours=hours)
            outcomes.append(await ask(site))
        assert outcomes == [Outcome.SENT, Outcome.ASKED_BEFORE, Outcome.ASKED_BEFORE, Outcome.SENT]
        assert await ask(site, stream="acme.offers") is Outcome.SENT
        assert await ask(site, who="other@example.net") is Outcome.SENT
        assert len(site.sent) == 4
        assert [entry.at for entry in await told(site, Action.REQUEST) if entry.scope == STREAM] == [
            NOON,
            NOON + timedelta(hours=24.5),
        ]

    on_site(url, story)


def test_two_forms_at_the_same_moment_send_one_mail(url: str) -> None:
    """The second is told to come again, and then that the person was asked."""

    async def story(site: Served) -> None:
        outcomes = await asyncio.gather(*(ask(site) for _ in range(5)), return_exceptions=True)
        assert [outcome for outcome in outcomes if not isinstance(outcome, StoreBusyError)] == [Outcome.SENT]
        assert len(site.sent) == 1
        assert await ask(site) is Outcome.ASKED_BEFORE

    on_site(url, story)


def test_who_has_confirmed_is_not_asked_again(url: str) -> None:
    """Until they say something else."""

    async def story(site: Served) -> None:
        await site.client.post(await link(site), data=YES)
        site.clock.turn(days=2)
        assert await ask(site) is Outcome.CONFIRMED_BEFORE
        await withdraw(site)
        assert await ask(site) is Outcome.SENT

    on_site(url, story)


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        (Reason.LEGAL, Outcome.NOT_TO_BE_ASKED),
        (Reason.HARD_BOUNCE, Outcome.NOT_TO_BE_ASKED),
        (Reason.UNSUBSCRIBE, Outcome.SENT),
        (Reason.COMPLAINT, Outcome.SENT),
        (Reason.OBJECTION, Outcome.SENT),
    ],
)
@pytest.mark.parametrize("who", [READER, "example.net"])
def test_where_nothing_may_be_sent_or_arrives_no_question_is(
    url: str, reason: Reason, outcome: Outcome, who: str
) -> None:
    """All others get the mail, whose page says what stands against them: the form learns nothing."""

    async def story(site: Served) -> None:
        await say(site, reason, "*", who)
        site.clock.turn(hours=1)
        assert await ask(site) is outcome
        assert len(site.sent) == (outcome is Outcome.SENT)
        assert len(await told(site, Action.REQUEST)) == len(site.sent)

    on_site(url, story)


def test_a_question_takes_no_consent_away(url: str) -> None:
    """Anybody can type an address into a form."""

    async def story(site: Served) -> None:
        await site.client.post(await link(site), data=YES)
        await say(site, Reason.UNSUBSCRIBE, "acme.offers")
        site.clock.turn(days=2)
        await ask(site)
        [consent] = await held(site)
        assert (consent.state, consent.confirmed) == (ConsentState.GRANTED, True)

    on_site(url, story)


@pytest.mark.parametrize("permanent", [False, True])
def test_what_could_not_be_sent_is_not_noted(url: str, permanent: bool) -> None:
    """The next try sends it; a refusal for good is told, a passing one is the caller's to try again."""

    async def story(site: Served) -> None:
        async def fail(_message: bytes, _recipient: str) -> None:
            raise SubmissionError("refused with 450", permanent=permanent)

        context = site.context
        failing = OptingIn(context.config, context.site, RING, context.store, site.clock, fail)
        without_mail = replace(site, context=replace(context, opting_in=failing))
        if permanent:
            assert await ask(without_mail) is Outcome.REFUSED
        else:
            with pytest.raises(SubmissionError):
                await ask(without_mail)
        assert await held(site) == []
        assert await told(site, Action.REQUEST) == []

    on_site(url, story)


@pytest.mark.parametrize("changes", [{"intake": {}}, {"unsubscribe": {"mailto": "unsub@example.com"}}])
def test_a_site_that_cannot_ask_says_so(url: str, changes: dict[str, Any]) -> None:
    """It needs a sender, and a page."""

    async def story(site: Served) -> None:
        with pytest.raises(UsageError, match=r"intake\.sender"):
            await ask(site)
        assert site.sent == []

    on_site(url, story, **changes)


def test_an_organisation_of_its_own_has_its_own_page(url: str) -> None:
    """The link leads to where its other links lead."""
    acme = {"title": "Acme Ltd", "unsubscribe": {"url": "https://mail.acme.example/stop"}}

    async def story(site: Served) -> None:
        await ask(site)
        assert "https://mail.acme.example/stop/c/" in letter(site.sent[0]).get_content()

    on_site(url, story, organisations={"acme": acme})


def test_an_address_that_is_not_ascii_gets_its_mail(url: str) -> None:
    """As RFC 6532 has it."""

    async def story(site: Served) -> None:
        assert await ask(site, "jürgen@bücher.example") is Outcome.SENT
        assert "jürgen@xn--bcher-kva.example" in site.sent[0].decode()

    on_site(url, story)


def test_an_erased_person_s_link_confirms_nothing(url: str) -> None:
    """They asked to be forgotten: who wants the mail after that asks for it anew."""

    async def story(site: Served) -> None:
        path = await link(site)
        person = person_named(READER, RING, {}, store_addresses=True)
        journal = url.replace("consent.db", "journal.db")
        migrate(journal, JOURNAL)
        site.clock.turn(hours=1)
        await rights.erase(site.context.store, journal, person, Hand(FORM, now=site.clock))
        site.clock.turn(hours=1)
        assert heading(await site.client.post(path, data=YES)) == "This link is no longer good"
        assert ConsentState.GRANTED not in [each.state for each in await held(site)]

    on_site(url, story)
