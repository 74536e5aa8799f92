"""The pages behind a link: what each request does to the list, and what it is answered."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from consentmilter.model import Assertion, Reason
from consentmilter.service.suppressions import Actor, assert_one
from consentmilter.tokens import Purpose
from consentmilter.web import pages
from consentmilter.web.edge import FIELDS
from consentmilter.web.pages import ANSWER
from tests.store.support import person
from tests.web.pages_site import CONFIG, NOON, ONE_CLICK, Served, on_site, token
from tests.web.test_one_click_bodies import BOUNDARY, multipart

UNSUBSCRIBE = {"do": "unsubscribe"}
EVERYTHING = {"do": "everything"}


def undo_of(answer: httpx.Response) -> str:
    """The token of the button that takes the click back."""
    match = re.search(r'name="undo" value="([\w-]+)"', answer.text)
    assert match
    return match[1]


def heading(answer: httpx.Response) -> str:
    match = re.search(r"<h1>(.*?)</h1>", answer.text)
    assert match
    return match[1]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["u", "p"])
def test_looking_changes_nothing(url: str, method: str, path: str) -> None:
    """Link scanners fetch every link; whatever they add to it."""

    async def story(site: Served) -> None:
        before = await site.contents()
        for query in ("", "?lang=de", "?List-Unsubscribe=One-Click", "?do=unsubscribe"):
            answer = await site.client.request(method, f"/{path}/{token()}{query}")
            assert answer.status_code == 200
        assert await site.contents() == before

    on_site(url, story)


def test_the_page_says_which_stream_of_whom(url: str) -> None:
    """In the site's words, escaped, with the sender's address; the person's is not there to show."""

    async def story(site: Served) -> None:
        answer = await site.client.get(f"/u/{token('acme.offers')}")
        assert "<bdi>Offers &amp; &lt;discounts&gt;</bdi> from <bdi>Acme Ltd</bdi>?" in answer.text
        assert "1 Road\nTown" in answer.text
        assert f'href="../p/{token("acme.offers")}"' in answer.text
        assert answer.text.count("<button") == 1
        assert "@" not in answer.text
        assert "<script" not in answer.text

    on_site(url, story)


@pytest.mark.parametrize(
    ("octets", "content_type"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (ONE_CLICK, "application/x-www-form-urlencoded; charset=UTF-8"),
        (ONE_CLICK, "text/plain"),
        (ONE_CLICK, None),
        (ONE_CLICK, "nonsense"),
        (ONE_CLICK + b"\r\n", "multipart/form-data"),
        (multipart(b"One-Click"), f"multipart/form-data; boundary={BOUNDARY.decode()}"),
        (multipart(b"One-Click"), "application/x-www-form-urlencoded"),
        (ONE_CLICK + b"&" + b"x" * 4000, "application/x-www-form-urlencoded"),
        (b"", None),
    ],
)
def test_one_click_opts_out_at_once(url: str, octets: bytes, content_type: str | None) -> None:
    """200 with a short text, no redirect, no cookie; the type is not looked at."""

    async def story(site: Served) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        answer = await site.client.post(f"/u/{token()}", content=octets, headers=headers)
        assert (answer.status_code, answer.text) == (200, ANSWER)
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert not {"location", "set-cookie"} & answer.headers.keys()
        (row,) = await site.held()
        assert (row.scope, row.reason, row.origin) == ("acme.newsletter", Reason.UNSUBSCRIBE, "click")
        assert (row.created, row.address) == (NOON, None)

    on_site(url, story)


@pytest.mark.parametrize("octets", [b"foo=bar", b"x" * 1025 + ONE_CLICK, b"do=", b"do=all", b"undo", b"\xff\xff"])
def test_another_body_does_nothing(url: str, octets: bytes) -> None:
    """400, and a page that says that nothing has changed."""

    async def story(site: Served) -> None:
        before = await site.contents()
        for path in ("u", "p"):
            answer = await site.client.post(f"/{path}/{token()}", content=octets)
            assert answer.status_code == (410 if octets == b"undo" else 400)
            assert "Nothing has been changed" in answer.text
        assert await site.contents() == before

    on_site(url, story)


def test_one_click_is_not_for_the_preference_page(url: str) -> None:
    """The header names /u/ alone."""

    async def story(site: Served) -> None:
        assert (await site.client.post(f"/p/{token()}", content=ONE_CLICK)).status_code == 400
        assert (await site.client.post(f"/p/{token()}", content=b"")).status_code == 400
        assert await site.held() == []

    on_site(url, story)


def test_the_button_opts_out_and_can_be_taken_back(url: str) -> None:
    """As long as the page stands open."""

    async def story(site: Served) -> None:
        done = await site.client.post(f"/u/{token()}", data=UNSUBSCRIBE)
        assert (done.status_code, heading(done)) == (200, "You are unsubscribed")
        assert await site.scopes() == ["acme.newsletter"]
        site.clock.turn(minutes=29)
        back = await site.client.post(f"/u/{token()}", data={"undo": undo_of(done)})
        assert (back.status_code, heading(back)) == (200, "Taken back")
        assert await site.held() == []

    on_site(url, story)


def test_after_half_an_hour_it_is_too_late(url: str) -> None:
    """The opt-out holds, and the page says that nothing has changed."""

    async def story(site: Served) -> None:
        done = await site.client.post(f"/u/{token()}", data=UNSUBSCRIBE)
        site.clock.turn(minutes=30)
        late = await site.client.post(f"/u/{token()}", data={"undo": undo_of(done)})
        assert (late.status_code, heading(late)) == (410, "This can no longer be taken back")
        assert "30 minutes" in late.text
        assert await site.scopes() == ["acme.newsletter"]

    on_site(url, story)


def test_the_undo_of_one_person_is_none_for_another(url: str) -> None:
    """Nor is a link, or anything else that is not ours."""

    async def story(site: Served) -> None:
        done = await site.client.post(f"/u/{token()}", data=UNSUBSCRIBE)
        await site.client.post(f"/u/{token(number=2)}", data=UNSUBSCRIBE)
        for where, what in [(token(number=2), undo_of(done)), (token(), token()), (token(), "x"), (token(), "")]:
            answer = await site.client.post(f"/u/{where}", data={"undo": what})
            assert answer.status_code == 410
        assert await site.scopes(1) == await site.scopes(2) == ["acme.newsletter"]

    on_site(url, story)


def test_undo_answers_alike_whether_there_was_something_to_take_back_or_not(url: str) -> None:
    """Somebody who had opted out before stays so, and the page does not tell."""

    async def story(site: Served) -> None:
        await assert_one(
            site.context.store,
            Assertion(person(2), None, "acme.newsletter", Reason.UNSUBSCRIBE),
            Actor("alice", "cli"),
            now=lambda: NOON - timedelta(days=9),
        )
        answers = []
        for number in (1, 2):
            done = await site.client.post(f"/u/{token(number=number)}", data=UNSUBSCRIBE)
            answers.append(await site.client.post(f"/u/{token(number=number)}", data={"undo": undo_of(done)}))
        assert answers[0].text == answers[1].text
        assert answers[0].headers == answers[1].headers
        assert await site.scopes(1) == []
        assert await site.scopes(2) == ["acme.newsletter"]

    on_site(url, story)


def test_the_preference_page_shows_what_can_be_stopped_and_what_still_comes(url: str) -> None:
    """All streams of that sender, none of another, and no former choice."""

    async def story(site: Served) -> None:
        page = await site.client.get(f"/p/{token()}")
        assert re.findall(r'name="stream" value="([^"]+)"', page.text) == ["acme.newsletter", "acme.offers"]
        assert "What is new, once a week." in page.text
        assert "Security patches" in page.text
        assert "Kind of mail: security updates and notices" in page.text
        assert "Legal basis: a legitimate interest of the sender (GDPR Art. 6(1)(f))" in page.text
        assert "Other" not in page.text
        assert " checked" not in page.text
        await site.client.post(f"/p/{token()}", data=EVERYTHING)
        assert (await site.client.get(f"/p/{token()}")).text == page.text

    on_site(url, story)


def test_one_or_several_or_all_can_be_stopped(url: str) -> None:
    """And each of these clicks can be taken back as a whole."""
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"do": "selected", "stream": "acme.offers"}, ["acme.offers"]),
        ({"do": "selected", "stream": ["acme.offers", "acme.newsletter"]}, ["acme.newsletter", "acme.offers"]),
        (EVERYTHING, ["acme"]),
        (EVERYTHING | {"stream": "acme.offers"}, ["acme"]),
    ]

    async def story(site: Served) -> None:
        for number, (form, scopes) in enumerate(cases, 1):
            link = f"/p/{token(number=number)}"
            done = await site.client.post(link, data=form)
            assert (done.status_code, heading(done)) == (200, "You are unsubscribed")
            assert await site.scopes(number) == scopes
            assert heading(await site.client.post(link, data={"undo": undo_of(done)})) == "Taken back"
            assert await site.scopes(number) == []

    on_site(url, story)


@pytest.mark.parametrize(
    "streams", [[], ["other.news"], ["acme.security"], ["acme"], ["*"], ["nothing"], [""], ["ACME.OFFERS"]]
)
def test_what_is_not_on_offer_cannot_be_stopped(url: str, streams: list[str]) -> None:
    """Nothing chosen, another sender's stream, one that still comes: nothing happens, and the page says so."""

    async def story(site: Served) -> None:
        before = await site.contents()
        answer = await site.client.post(f"/p/{token()}", data={"do": "selected", "stream": streams})
        assert answer.status_code == 400
        assert 'role="alert"' in answer.text
        assert await site.contents() == before

    on_site(url, story)


def test_a_stream_that_is_gone_opts_out_of_its_organisation(url: str) -> None:
    """Links outlive their streams."""
    gone = CONFIG["streams"] | {"acme.gone": {"title": "Gone"}}

    async def nothing(_: Served) -> None:
        pass

    async def story(site: Served) -> None:
        page = await site.client.get(f"/u/{token('acme.gone')}")
        assert "all optional mail from <bdi>Acme Ltd</bdi>?" in page.text
        await site.client.post(f"/u/{token('acme.gone')}", content=ONE_CLICK)
        assert await site.scopes() == ["acme"]

    on_site(url, nothing, streams=gone)
    on_site(url, story)


def test_a_stream_that_never_was_opts_out_of_everything(url: str) -> None:
    """With several senders nothing else is certain; the page has no name to show."""

    async def story(site: Served) -> None:
        for path in ("u", "p"):
            assert "all optional mail from this sender" in (await site.client.get(f"/{path}/{token('x.y')}")).text
        await site.client.post(f"/u/{token('x.y')}", content=ONE_CLICK)
        await site.client.post(f"/p/{token('x.y', number=2)}", data=EVERYTHING)
        assert await site.scopes(1) == await site.scopes(2) == ["*"]

    on_site(url, story)


def test_bulk_mail_of_no_stream_has_a_page_too(url: str) -> None:
    """In the person's language; its own scope is all there is."""

    async def story(site: Served) -> None:
        page = await site.client.get(f"/u/{token('bulk')}?lang=de")
        assert "<bdi>Rundschreiben</bdi> von diesem Absender" in page.text
        await site.client.post(f"/p/{token('bulk')}", data=EVERYTHING)
        assert await site.scopes() == ["bulk"]

    on_site(url, story)


def test_a_link_of_mail_that_still_comes_says_so(url: str) -> None:
    """The request is recorded all the same."""

    async def story(site: Served) -> None:
        link = f"/u/{token('acme.security')}"
        for answer in (await site.client.get(link), await site.client.post(link, data=UNSUBSCRIBE)):
            assert "they will still come" in answer.text
        assert await site.scopes() == ["acme.security"]

    on_site(url, story)


@pytest.mark.parametrize("purpose", [Purpose.BOUNCE, Purpose.UNDO, Purpose.OPT_IN])
def test_a_token_of_another_purpose_is_no_link(url: str, purpose: Purpose) -> None:
    """A bounce address opens no page and opts nobody out."""

    async def story(site: Served) -> None:
        for path in ("u", "p"):
            link = f"/{path}/{token(purpose=purpose)}"
            assert (await site.client.get(link)).status_code == 404
            assert (await site.client.post(link, content=ONE_CLICK)).status_code == 404
        assert await site.held() == []

    on_site(url, story)


@pytest.mark.parametrize(
    "path", ["/", "/u", "/u/", "/u/x", "/p/x", "/u/x/y", "/favicon.ico", "/static/", "/../etc/passwd"]
)
def test_a_link_that_is_none_says_what_to_do(url: str, path: str) -> None:
    """The same page for a damaged link and an unknown path, with somebody to write to."""

    async def story(site: Served) -> None:
        answer = await site.client.get(path)
        assert (answer.status_code, heading(answer)) == (404, "This link does not work")
        assert 'href="mailto:privacy@example.com"' in answer.text
        assert (await site.client.head(path)).status_code == 404

    on_site(url, story)


def test_the_only_organisation_is_who_to_write_to(url: str) -> None:
    """Its privacy address first, then the one for unsubscribe mails, then the site's."""
    acme: dict[str, Any] = {"title": "Acme Ltd", "unsubscribe": {"mailto": "stop@acme.example"}}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"organisations": {"acme": acme | {"privacy": ["privacy@acme.example"]}}}, "privacy@acme.example"),
        ({"organisations": {"acme": acme}}, "stop@acme.example"),
        ({"organisations": {"acme": acme, "other": acme}}, "privacy@example.com"),
        ({"privacy": {}}, "unsub@example.com"),
    ]
    for changes, address in cases:

        async def story(site: Served, address: str = address) -> None:
            assert f"mailto:{address}" in (await site.client.get("/u/x")).text

        on_site(url, story, streams={}, **changes)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO"])
def test_other_methods_are_refused(url: str, method: str) -> None:
    """With the ones that there are."""

    async def story(site: Served) -> None:
        for path in ("u", "p"):
            answer = await site.client.request(method, f"/{path}/{token()}", content=ONE_CLICK)
            assert answer.status_code == 405
            assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
        assert await site.held() == []

    on_site(url, story)


def test_every_answer_is_guarded(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages, answers to programs, errors, faults of ours, and the style sheet: nothing loaded, kept or told."""

    def failing(*_: object) -> None:
        raise RuntimeError

    async def story(site: Served) -> None:
        asked = [
            await site.client.get(f"/u/{token()}"),
            await site.client.get(f"/p/{token()}"),
            await site.client.post(f"/u/{token()}", content=ONE_CLICK),
            await site.client.post(f"/u/{token()}", data=UNSUBSCRIBE),
            await site.client.get("/static/style.css"),
            await site.client.get("/nowhere"),
            await site.client.put(f"/u/{token()}"),
            await site.client.post(f"/u/{token()}", content=b"x"),
        ]
        monkeypatch.setattr(pages, "read_link", failing)
        asked.append(await site.client.get(f"/u/{token()}"))
        assert [answer.status_code for answer in asked] == [200, 200, 200, 200, 200, 404, 405, 400, 500]
        for answer in asked:
            assert {name: answer.headers[name] for name in FIELDS} == FIELDS
            assert not {"location", "set-cookie", "refresh", "server"} & answer.headers.keys()
        policy = FIELDS["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy

    on_site(url, story)


def test_pages_load_nothing_from_elsewhere(url: str) -> None:
    """Every address in a page is relative, or a mailto; every one that is loaded is there."""

    async def story(site: Served) -> None:
        for path in (f"/u/{token()}", f"/p/{token()}", "/a/b/c/d"):
            page = await site.client.get(path)
            links = re.findall(r'(?:href|src|action)="([^"]*)"', page.text)
            assert links
            assert all(link.startswith(("../", "?", "mailto:")) for link in links)
            for loaded in re.findall(r'<(?:link|img)[^>]+(?:href|src)="([^"]+)"', page.text):
                assert (await site.client.get(str(page.url.join(loaded)))).status_code == 200

    on_site(url, story)


def test_a_site_under_a_path_is_served_with_and_without_it(url: str) -> None:
    """A proxy may hand on the path of `unsubscribe.url` or strip it; the links on the pages fit both."""

    async def story(site: Served) -> None:
        for prefix in ("", "/mail"):
            page = await site.client.get(f"{prefix}/u/{token()}")
            assert page.status_code == 200
            assert (await site.client.get(str(page.url.join("../static/style.css")))).status_code == 200
        assert 'href="../static/style.css"' in page.text
        assert (await site.client.post(f"/mail/u/{token()}", content=ONE_CLICK)).text == ANSWER
        assert (await site.client.get("/mail/u/x")).status_code == 404
        assert (await site.client.get(f"/other/u/{token()}")).status_code == 404

    on_site(url, story, unsubscribe={"url": "https://example.com/mail"})


def test_pages_come_in_the_language_of_who_asks(url: str) -> None:
    """By Accept-Language or the menu, which stays with the forms and links of the page."""

    async def story(site: Served) -> None:
        link = f"/u/{token()}"
        dutch = await site.client.get(link, headers={"Accept-Language": "nl-BE, en;q=0.5"})
        assert (dutch.headers["content-language"], heading(dutch)) == ("nl", "Afmelden")
        assert '<html lang="nl" dir="ltr">' in dutch.text
        arabic = await site.client.get(f"{link}?lang=ar", headers={"Accept-Language": "nl"})
        assert '<html lang="ar" dir="rtl">' in arabic.text
        assert f'href="../p/{token()}?lang=ar"' in arabic.text
        assert arabic.text.count('hreflang="') == 7
        done = await site.client.post(f"{link}?lang=ro", data=UNSUBSCRIBE)
        assert done.headers["content-language"] == "ro"
        assert 'hreflang="' not in done.text
        assert dutch.headers["vary"] == "Accept-Language"

    on_site(url, story)


def test_a_site_of_one_language_has_no_menu(url: str) -> None:
    """There is nothing to choose."""

    async def story(site: Served) -> None:
        page = await site.client.get(f"/u/{token()}", headers={"Accept-Language": "de"})
        assert page.headers["content-language"] == "fr"
        assert "<nav" not in page.text

    on_site(url, story, web={"languages": ["fr"]})


def test_the_site_gives_its_logo_and_footer(url: str, tmp_path: Path) -> None:
    """An SVG is served so that it can do nothing, should somebody open it by itself."""
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")

    async def story(site: Served) -> None:
        page = await site.client.get(f"/u/{token()}")
        assert '<img src="../static/logo" alt="">' in page.text
        assert "Sent for &lt;Acme&gt;" in page.text
        image = await site.client.get("/static/logo")
        assert (image.status_code, image.headers["content-type"]) == (200, "image/svg+xml")
        assert "sandbox" in image.headers["content-security-policy"]
        assert image.headers["x-content-type-options"] == "nosniff"

    on_site(url, story, web={"logo": str(logo), "footer": "Sent for <Acme>"})


def test_limits_stop_pages_and_wrong_links_but_no_request_to_stop(url: str) -> None:
    """A mailbox provider sends everybody's one-click requests from few addresses."""

    async def story(site: Served) -> None:
        asked = [await site.client.get(f"/u/{token()}") for _ in range(4)]
        assert [answer.status_code for answer in asked] == [200, 200, 200, 429]
        assert int(asked[-1].headers["retry-after"]) > 0
        assert (await site.client.post("/u/x", content=ONE_CLICK)).status_code == 429
        for number in range(1, 9):
            link = f"/u/{token(number=number)}"
            assert (await site.client.post(link, content=ONE_CLICK)).status_code == 200
            done = await site.client.post(link, data=UNSUBSCRIBE)
            assert (await site.client.post(link, data={"undo": undo_of(done)})).status_code == 200
            assert await site.scopes(number) == ["acme.newsletter"]

    on_site(url, story, web={"pages_per_minute": 3})


def test_an_opt_out_never_becomes_an_opt_in(url: str) -> None:
    """Whatever is posted with the link of somebody who opted out by other means, that stays."""
    forms: list[dict[str, Any]] = [
        UNSUBSCRIBE,
        EVERYTHING,
        {"do": "selected"},
        {"do": "selected", "stream": []},
        {"do": "subscribe"},
        {"do": "lift", "stream": "acme.newsletter"},
        {"List-Subscribe": "One-Click"},
    ]

    async def story(site: Served) -> None:
        said = Assertion(person(1), None, "acme.newsletter", Reason.UNSUBSCRIBE)
        await assert_one(site.context.store, said, Actor("", "mail"), now=lambda: NOON)
        for path in ("u", "p"):
            for form in forms:
                answer = await site.client.post(f"/{path}/{token()}", data=form)
                if answer.status_code == 200:
                    await site.client.post(f"/{path}/{token()}", data={"undo": undo_of(answer)})
        (row,) = await site.held()
        assert (row.scope, row.origin) == ("acme.newsletter", "mail")

    on_site(url, story)
