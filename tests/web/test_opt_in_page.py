"""The page behind the link of a mail that asks for consent: who confirms what, and what no link can do."""

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from consentmilter import tokens
from consentmilter.ledger import Action
from consentmilter.model import ConsentState, Reason, Verdict
from consentmilter.service import opt_in_standing
from consentmilter.service.opt_in_standing import VALID
from consentmilter.service.opting_in import Outcome
from consentmilter.store.sqlite.lock import held as lock_held
from consentmilter.tokens import Purpose, Token, stream_hash
from consentmilter.web import opt_in
from consentmilter.web.edge import FIELDS
from tests.web.opt_in_site import READER, STREAM, YES, ask, held, key, link, path_in, say, told, verdict, withdraw
from tests.web.pages_site import CONFIG, NOON, ONE_CLICK, RING, Served, on_site
from tests.web.test_pages import heading

OVER = "This link is no longer good"
STOPPED = "This cannot be undone here"

REQUIRED = CONFIG["streams"] | {STREAM: CONFIG["streams"][STREAM] | {"requires_consent": True}}


def test_the_page_says_who_asks_for_what(url: str) -> None:
    """Stream, organisation and the version of the text, escaped, with one button; the address is not there to show."""

    async def story(site: Served) -> None:
        page = await site.client.get(await link(site))
        assert (page.status_code, heading(page)) == (200, "Please confirm")
        assert "<bdi>Weekly newsletter</bdi> from <bdi>Acme Ltd</bdi>?" in page.text
        assert "What is new, once a week." in page.text
        assert "2026-02 &lt;b&gt;" in page.text
        assert page.text.count("<button") == 1
        assert "reader" not in page.text
        assert "<script" not in page.text
        assert {name: page.headers[name] for name in FIELDS} == FIELDS

    on_site(url, story)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_confirms_nothing(url: str, method: str) -> None:
    """Link scanners fetch every link; whatever they add to it."""

    async def story(site: Served) -> None:
        path = await link(site)
        before = await site.contents()
        for query in ("", "?do=confirm", "?lang=de"):
            assert (await site.client.request(method, path + query)).status_code == 200
        assert await site.contents() == before

    on_site(url, story)


def test_a_page_that_confirms_on_looking_would_be_noticed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above can fail."""
    monkeypatch.setattr(opt_in, "READING", ())

    async def story(site: Served) -> None:
        assert (await site.client.get(await link(site))).status_code != 200

    on_site(url, story)


def test_only_the_button_confirms(url: str) -> None:
    """One-click requests and empty ones are for links that stop mail; mail programs and scanners send them."""
    bodies = [b"", ONE_CLICK, b"do=unsubscribe", b"do=", b"confirm", b"do=confirm" + b"&x" * 600, b"undo=x&do=confirm"]

    async def story(site: Served) -> None:
        path = await link(site)
        before = await site.contents()
        for octets in bodies:
            answer = await site.client.post(path, content=octets)
            assert answer.status_code == 400
            assert "Nothing has been changed" in answer.text
        assert await site.contents() == before

    on_site(url, story)


def test_the_button_records_the_consent_and_mail_may_go_out(url: str) -> None:
    """Where the stream requires it; both ends are in the ledger, the client by its network only."""

    async def story(site: Served) -> None:
        assert (await verdict(site)).reason == "no-consent"
        path = await link(site)
        site.clock.turn(hours=3)
        done = await site.client.post(path, data=YES, headers={"X-Forwarded-For": "198.51.100.77"})
        assert (done.status_code, heading(done)) == (200, "Thank you")
        [consent] = await held(site)
        assert (consent.stream, consent.state, consent.confirmed) == (STREAM, ConsentState.GRANTED, True)
        assert (consent.at, consent.origin, consent.address) == (NOON + timedelta(hours=3), "opt-in", READER)
        assert (await verdict(site)).verdict is Verdict.ACCEPT
        [asked], [given] = await told(site, Action.REQUEST), await told(site, Action.GRANT)
        assert asked.evidence is not None
        assert given.evidence is not None
        assert asked.evidence.data["message_id"].endswith("@example.com>")
        assert (asked.at, asked.evidence.data["form"], asked.evidence.data["ip"]) == (NOON, "footer", "203.0.113.9")
        assert given.evidence.data["ip"] == "198.51.100.0/24"
        assert given.evidence.data["text_version"] == asked.evidence.data["text_version"] == "2026-02 <b>"
        assert given.evidence.data["evidence"] == "confirmed by the link of 2026-03-02"

    on_site(url, story, streams=REQUIRED, web={"trusted_proxies": ["127.0.0.0/8"]})


def test_a_second_press_changes_nothing(url: str) -> None:
    """It is answered alike, and so is another look at the page."""

    async def story(site: Served) -> None:
        path = await link(site)
        first = await site.client.post(path, data=YES)
        before = await site.contents()
        again = await site.client.post(path, data=YES)
        assert (again.status_code, again.text) == (first.status_code, first.text)
        assert heading(await site.client.get(path)) == "Thank you"
        assert await site.contents() == before

    on_site(url, story)


def test_consent_is_taken_back_as_easily_as_it_was_given(url: str) -> None:
    """The page that thanks has a link for that (GDPR Art. 7(3)); the old link does not bring it back."""

    async def story(site: Served) -> None:
        path = await link(site)
        done = await site.client.post(path, data=YES)
        match = re.search(r'href="\.\./(u/\w{52})"', done.text)
        assert match
        site.clock.turn(seconds=1)
        assert (await site.client.post(f"/{match[1]}", content=ONE_CLICK)).status_code == 200
        assert (await verdict(site)).reason is Reason.UNSUBSCRIBE
        site.clock.turn(hours=1)
        late = await site.client.post(path, data=YES)
        assert (late.status_code, heading(late)) == (410, OVER)
        assert (await verdict(site)).reason is Reason.UNSUBSCRIBE

    on_site(url, story)


@pytest.mark.parametrize("reason", [Reason.UNSUBSCRIBE, Reason.IMPORTED])
def test_a_confirmed_opt_in_outdoes_an_older_opt_out_of_exactly_its_stream(url: str, reason: Reason) -> None:
    """An opt-out of the whole organisation holds on for all else."""

    async def story(site: Served) -> None:
        await say(site, reason, "acme")
        site.clock.turn(days=1)
        assert heading(await site.client.post(await link(site), data=YES)) == "Thank you"
        assert (await verdict(site)).opted_in
        assert (await verdict(site, "acme.offers")).reason is reason

    on_site(url, story)


@pytest.mark.parametrize("reason", [Reason.COMPLAINT, Reason.OBJECTION, Reason.LEGAL, Reason.MANUAL])
def test_what_a_click_cannot_take_back_is_said_plainly(url: str, reason: Reason) -> None:
    """To the holder of the link, who can write to somebody; nothing is recorded."""
    scopes = {"ann@example.net": "acme.newsletter", "ben@example.net": "acme", "cat@example.net": "*"}

    async def story(site: Served) -> None:
        for who, scope in scopes.items():
            path = await link(site, who)
            await say(site, reason, scope, who)
            before = await site.contents()
            site.clock.turn(hours=1)
            for answer in (await site.client.get(path), await site.client.post(path, data=YES)):
                assert (answer.status_code, heading(answer)) == (409, STOPPED)
                assert "mailto:privacy@example.com" in answer.text
            assert await site.contents() == before

    on_site(url, story)


def test_a_block_of_the_whole_domain_is_seen_too(url: str) -> None:
    """A press would change nothing for the person, so that the page does not thank them."""

    async def story(site: Served) -> None:
        path = await link(site)
        await say(site, Reason.UNSUBSCRIBE, "acme", "example.net")
        site.clock.turn(hours=1)
        assert heading(await site.client.post(path, data=YES)) == STOPPED

    on_site(url, story)


def test_a_complaint_that_an_exempt_category_bypasses_stops_nobody(url: str) -> None:
    """The mail goes out whatever the person said before."""

    async def story(site: Served) -> None:
        await say(site, Reason.COMPLAINT, "acme")
        assert heading(await site.client.post(await link(site, stream="acme.security"), data=YES)) == "Thank you"

    on_site(url, story)


@pytest.mark.parametrize(("days", "status"), [(0, 200), (7, 200), (8, 410), (400, 410)])
def test_a_link_is_good_for_seven_days(url: str, days: int, status: int) -> None:
    """By its day of issue; then nothing is recorded."""

    async def story(site: Served) -> None:
        path = await link(site)
        site.clock.turn(days=days)
        for answer in (await site.client.get(path), await site.client.post(path, data=YES)):
            assert answer.status_code == status
        assert ((await held(site))[0].state is ConsentState.GRANTED) is (status == 200)

    on_site(url, story)


def test_a_link_that_never_ends_would_be_noticed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above can fail."""
    monkeypatch.setattr(opt_in_standing, "VALID", VALID * 1000)

    async def story(site: Served) -> None:
        path = await link(site)
        site.clock.turn(days=8)
        assert (await site.client.post(path, data=YES)).status_code == 200

    on_site(url, story)


@pytest.mark.parametrize("scope", ["acme.newsletter", "acme"])
def test_a_withdrawal_ends_the_link(url: str, scope: str) -> None:
    """A new question has to be asked for, and its link is good."""

    async def story(site: Served) -> None:
        path = await link(site)
        site.clock.turn(hours=1)
        await withdraw(site, scope)
        site.clock.turn(hours=1)
        assert heading(await site.client.post(path, data=YES)) == OVER
        assert ConsentState.GRANTED not in [each.state for each in await held(site)]
        site.clock.turn(days=1)
        assert heading(await site.client.post(await link(site), data=YES)) == "Thank you"

    on_site(url, story)


def test_a_link_that_nobody_was_sent_confirms_nothing(url: str) -> None:
    """A good token alone is no request: what is not in the ledger was never asked."""

    async def story(site: Served) -> None:
        token = tokens.make(Token(Purpose.OPT_IN, key(), stream_hash(STREAM), NOON.date()), RING)
        assert heading(await site.client.post(f"/c/{token}", data=YES)) == OVER
        assert await held(site) == []

    on_site(url, story)


@pytest.mark.parametrize("purpose", [each for each in Purpose if each is not Purpose.OPT_IN])
def test_no_other_token_confirms_an_opt_in(url: str, purpose: Purpose) -> None:
    """Neither the unsubscribe link of a mail nor any other."""

    async def story(site: Served) -> None:
        await link(site)
        token = tokens.make(Token(purpose, key(), stream_hash(STREAM), NOON.date()), RING)
        answers = [await site.client.get(f"/c/{token}"), await site.client.post(f"/c/{token}", data=YES)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert (await held(site))[0].state is ConsentState.REQUESTED

    on_site(url, story)


@pytest.mark.parametrize("path", ["u", "p"])
def test_an_opt_in_token_opts_nobody_out(url: str, path: str) -> None:
    """It is good for its purpose only."""

    async def story(site: Served) -> None:
        token = (await link(site)).removeprefix("/c/")
        answers = [await site.client.get(f"/{path}/{token}"), await site.client.post(f"/{path}/{token}", content=b"")]
        assert [answer.status_code for answer in answers] == [404, 404]

    on_site(url, story)


@pytest.mark.parametrize("streams", [{}, {"acme": {"title": "All of Acme"}}])
def test_a_link_of_a_stream_that_is_gone_confirms_nothing(url: str, streams: dict[str, dict[str, str]]) -> None:
    """Not even the organisation, which is the target of an unsubscribe link then: consent is never widened."""
    paths: list[str] = []

    async def before(site: Served) -> None:
        paths.append(await link(site))

    async def after(site: Served) -> None:
        for answer in (await site.client.get(paths[0]), await site.client.post(paths[0], data=YES)):
            assert (answer.status_code, heading(answer)) == (410, OVER)
        assert (await held(site))[0].state is ConsentState.REQUESTED

    on_site(url, before)
    on_site(url, after, streams=streams)


def test_the_page_comes_in_the_language_of_who_asks(url: str) -> None:
    """From right to left where that is how it is written; so do the answers."""

    async def story(site: Served) -> None:
        path = await link(site)
        page = await site.client.get(f"{path}?lang=ar")
        assert '<html lang="ar" dir="rtl">' in page.text
        assert heading(await site.client.post(f"{path}?lang=de", data=YES)) == "Vielen Dank"

    on_site(url, story)


def test_the_page_cannot_be_had_while_the_store_is_away(url: str) -> None:
    """503, and nothing is recorded: nobody is thanked for what is not kept."""

    async def story(site: Served) -> None:
        path = await link(site)
        with lock_held(Path(url.removeprefix("sqlite:///")), 1):
            answer = await site.client.post(path, data=YES)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert (await held(site))[0].state is ConsentState.REQUESTED

    on_site(url, story, patience=0.5)


def test_pages_count_against_the_limit_and_good_presses_do_not(url: str) -> None:
    """As for the links that stop mail."""

    async def story(site: Served) -> None:
        path = await link(site)
        assert [(await site.client.get(path)).status_code for _ in range(3)] == [200, 200, 429]
        assert (await site.client.post("/c/x", data=YES)).status_code == 429
        assert (await site.client.post(path, data=YES)).status_code == 200

    on_site(url, story, web={"pages_per_minute": 2})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_other_methods_confirm_nothing(url: str, method: str) -> None:
    """405, with the ones that there are."""

    async def story(site: Served) -> None:
        answer = await site.client.request(method, await link(site), data=YES)
        assert answer.status_code == 405

    on_site(url, story)


def test_where_addresses_are_not_stored_the_link_works_all_the_same(url: str) -> None:
    """The key stands for the person."""

    async def story(site: Served) -> None:
        assert heading(await site.client.post(await link(site), data=YES)) == "Thank you"
        [consent] = await held(site)
        assert consent.address is None
        assert "example.net" not in str(await site.contents())

    on_site(url, story, privacy={"store_addresses": False})


def test_two_streams_are_two_consents(url: str) -> None:
    """Each has its own question, and confirming one says nothing of the other."""

    async def story(site: Served) -> None:
        first = await link(site)
        assert await ask(site, stream="acme.offers") is Outcome.SENT
        assert path_in(site.sent[-1]) != first
        await site.client.post(first, data=YES)
        assert {each.stream: each.state for each in await held(site)} == {
            "acme.newsletter": ConsentState.GRANTED,
            "acme.offers": ConsentState.REQUESTED,
        }

    on_site(url, story)


def test_a_forged_day_does_not_lengthen_a_link(url: str) -> None:
    """The day is signed with the rest."""

    async def story(site: Served) -> None:
        good = (await link(site)).removeprefix("/c/")
        site.clock.turn(days=8)
        later = tokens.make(Token(Purpose.OPT_IN, key(), stream_hash(STREAM), date(2026, 3, 9)), RING)
        mixed = good[:38] + later[38:]
        assert (await site.client.post(f"/c/{mixed}", data=YES)).status_code == 404

    on_site(url, story)
