"""The pages in a real browser: without JavaScript, on a small screen, in every language, for everybody's eyes.

The pictures are kept (`SCREENSHOTS`, else build/screenshots).
"""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, get_args

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # ships no type hints
from playwright.sync_api import Browser, Locator, Page, expect

from consentmilter.config.roles import Language
from consentmilter.model import Reason
from consentmilter.web.languages import load
from tests.web.chromium import CHROMIUM, Server, chromium, picture
from tests.web.opt_in_site import STREAM, link, say
from tests.web.pages_site import CONFIG, Served, make_site_store, on_site, token

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium-headless-shell")

LANGUAGES = get_args(Language)
PHONE = {"width": 320, "height": 640}
DESK = {"width": 1024, "height": 768}

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">
<rect width="40" height="40" rx="8" fill="#1a5fb4"/>
<path d="M10 30 20 10l10 20" stroke="#fff" stroke-width="4" fill="none"/></svg>"""

STREAMS: dict[str, Any] = CONFIG["streams"] | {
    "acme.long": {"title": "Donaudampfschifffahrtsgesellschaftskapitänsnewsletter" + "w" * 27},
    "acme.arabic": {"title": "النشرة الأسبوعية", "description": "أخبار الأسبوع."},
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all of these tests; each has a person of its own."""
    return make_site_store(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="module")
def server(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The pages, with everything on them that a site can add."""
    logo = tmp_path_factory.mktemp("logo") / "logo.svg"
    logo.write_text(LOGO, encoding="utf-8")
    web = {"logo": str(logo), "footer": "Sent by Example Hosting for Acme Ltd."}
    with Server(url, {"streams": STREAMS, "web": web}) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@contextmanager
def opened(
    browser: Browser,
    *,
    script: bool = False,
    size: dict[str, int] = DESK,
    language: str = "en",
    scheme: Literal["light", "dark"] = "light",
) -> Iterator[Page]:
    """A page of a person's browser; whatever it complains about, or asks of anybody else, fails the test."""
    context = browser.new_context(
        java_script_enabled=script,
        viewport={"width": size["width"], "height": size["height"]},
        locale=language,
        color_scheme=scheme,
    )
    complaints: list[str] = []
    hosts: set[str] = set()
    try:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        yield page
        assert len(hosts) <= 1, hosts
        assert context.cookies() == []
        # A status of 4xx is one of the things that the browser remarks on.
        assert [text for text in complaints if "responded with a status of 4" not in text] == []
    finally:
        context.close()


def scopes(url: str, number: int) -> list[str]:
    """What a person has opted out of, as the file says."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as database:
        query = "SELECT scope FROM suppression WHERE subject = ? ORDER BY scope"
        return [scope for (scope,) in database.execute(query, [number.to_bytes(16)])]


def violations(page: Page) -> str:
    """What axe-core has to say against the page."""
    found = Axe().run(page)
    return found.generate_report() if found.violations_count else ""


def press(page: Page, button: Locator) -> None:
    """Press a button, and wait for the page that answers: a click alone does not."""
    with page.expect_navigation():
        button.click()


def fits(page: Page) -> bool:
    """Whether nothing has to be scrolled sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def test_confirm_and_undo(browser: Browser, server: Server, url: str) -> None:
    """The link, the button, the undo, and back: without JavaScript."""
    with opened(browser) as page:
        page.goto(f"{server.base}/u/{token(number=1)}")
        expect(page.get_by_role("heading", level=1)).to_have_text("Unsubscribe")
        expect(page.locator(".lead")).to_have_text("Do you want to stop receiving Weekly newsletter from Acme Ltd?")
        page.screenshot(path=picture("confirm"), full_page=True)
        assert scopes(url, 1) == []
        page.get_by_role("button", name="Unsubscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
        page.screenshot(path=picture("done"), full_page=True)
        assert scopes(url, 1) == ["acme.newsletter"]
        page.get_by_role("button", name="Take it back").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Taken back")
        page.screenshot(path=picture("undone"), full_page=True)
        assert scopes(url, 1) == []
        page.get_by_role("link", name="Back to the choice").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Unsubscribe")


def test_choosing_on_the_preference_page(browser: Browser, server: Server, url: str) -> None:
    """By the labels that a screen reader reads: two of the streams, undone, then everything."""
    with opened(browser) as page:
        page.goto(f"{server.base}/u/{token(number=2)}")
        page.get_by_role("link", name="All kinds of mail from Acme Ltd").click()
        page.get_by_role("button", name="Stop what is selected").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.screenshot(path=picture("nothing-selected"), full_page=True)
        page.get_by_role("checkbox", name="Weekly newsletter").check()
        page.get_by_text("Offers & <discounts>").click()
        page.screenshot(path=picture("preferences"), full_page=True)
        page.get_by_role("button", name="Stop what is selected").click()
        expect(page.locator("main li")).to_have_text(["Weekly newsletter", "Offers & <discounts>"])
        assert scopes(url, 2) == ["acme.newsletter", "acme.offers"]
        press(page, page.get_by_role("button", name="Take it back"))
        assert scopes(url, 2) == []
        page.get_by_role("link", name="Back to the choice").click()
        page.get_by_role("button", name="Stop all optional mail").click()
        expect(page.locator("main li")).to_have_text(["all optional mail from Acme Ltd"])
        assert scopes(url, 2) == ["acme"]


def test_the_keyboard_is_enough(browser: Browser, server: Server, url: str) -> None:
    """From the address bar, one Tab to the button, which shows that it has the focus, and Enter."""
    with opened(browser) as page:
        page.goto(f"{server.base}/u/{token(number=3)}")
        page.keyboard.press("Tab")
        button = page.get_by_role("button", name="Unsubscribe")
        expect(button).to_be_focused()
        expect(button).to_have_css("outline-style", "solid")
        expect(button).to_have_css("outline-width", "3px")
        page.screenshot(path=picture("focus"), full_page=True)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")
    assert scopes(url, 3) == ["acme.newsletter"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_on_a_phone(browser: Browser, server: Server, language: str) -> None:
    """At 320 pixels no page is wider than the screen; axe-core finds nothing; each is in the language asked for."""
    with opened(browser, script=True, size=PHONE, language=language) as page:
        for name, path in [("unsubscribe", "u"), ("preferences", "p")]:
            page.goto(f"{server.base}/{path}/{token(number=4)}")
            expect(page.locator("html")).to_have_attribute("lang", language)
            expect(page.locator("html")).to_have_attribute("dir", load(language).direction)
            page.screenshot(path=picture(f"{name}-{language}"), full_page=True)
            assert fits(page)
        assert violations(page) == ""
        page.locator("button.second").click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert fits(page)


def test_every_kind_of_page_for_everybody(browser: Browser, server: Server) -> None:
    """Axe-core finds nothing on the pages that answer a press of a button, either."""
    with opened(browser, script=True) as page:
        page.goto(f"{server.base}/u/{token(number=11)}")
        assert violations(page) == ""
        for button in ("Unsubscribe", "Take it back"):
            press(page, page.get_by_role("button", name=button))
            assert violations(page) == ""


def test_arabic_runs_from_right_to_left(browser: Browser, server: Server) -> None:
    """Boxes stand right of their labels, and the logo right of the name."""
    with opened(browser, size=PHONE, language="ar") as page:
        page.goto(f"{server.base}/p/{token(number=5)}")
        box = page.get_by_role("checkbox", name="Weekly newsletter").bounding_box()
        label = page.get_by_text("Weekly newsletter").bounding_box()
        logo = page.locator("header img").bounding_box()
        name = page.locator("header bdi").bounding_box()
        assert box
        assert label
        assert logo
        assert name
        assert box["x"] > label["x"] + label["width"]
        assert logo["x"] > name["x"] + name["width"]


def test_the_language_menu_changes_the_language(browser: Browser, server: Server) -> None:
    """And the choice goes along to the next page."""
    with opened(browser) as page:
        page.goto(f"{server.base}/u/{token(number=6)}")
        page.get_by_role("link", name="Français").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Se désinscrire")
        page.get_by_role("link", name="Tous les types").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("E-mails de Acme Ltd")
        page.get_by_role("button", name="Arrêter tous").click()
        expect(page.locator("html")).to_have_attribute("lang", "fr")


def fresh(name: str) -> str:
    """An address of somebody new: a second try of a test must not meet the person of the first."""
    return f"{name}.{token_hex(4)}@example.net"


def asked(url: str, *people: str, against: Reason | None = None, stream: str = STREAM) -> list[str]:
    """The paths of the links of people who are asked for consent, and against whom something stands."""
    paths: list[str] = []

    async def story(site: Served) -> None:
        for who in people:
            paths.append(await link(site, who, stream))
            if against:
                await say(site, against, "acme", who)

    with ThreadPoolExecutor(1) as pool:  # Playwright has an event loop in this thread
        pool.submit(on_site, url, story, streams=STREAMS).result()
    return paths


def test_opting_in(browser: Browser, server: Server, url: str) -> None:
    """The link of the mail, one button, and the way back out: without JavaScript."""
    [path] = asked(url, fresh("ann"))
    with opened(browser) as page:
        page.goto(server.base + path)
        expect(page.get_by_role("heading", level=1)).to_have_text("Please confirm")
        expect(page.locator(".lead")).to_have_text("Do you want to receive Weekly newsletter from Acme Ltd?")
        page.screenshot(path=picture("opt-in"), full_page=True)
        page.get_by_role("button", name="Yes, I want it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
        page.screenshot(path=picture("opted-in"), full_page=True)
        page.get_by_role("link", name="Unsubscribe").click()
        page.get_by_role("button", name="Unsubscribe").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("You are unsubscribed")


@pytest.mark.parametrize("language", LANGUAGES)
def test_opting_in_in_every_language_on_a_phone(browser: Browser, server: Server, url: str, language: str) -> None:
    """The question, the thanks, and what cannot be undone: all fit 320 pixels, and axe-core has nothing to say."""
    [path] = asked(url, fresh(language), stream="acme.long")
    [stopped] = asked(url, fresh(f"{language}.stopped"), against=Reason.COMPLAINT)
    with opened(browser, script=True, size=PHONE, language=language) as page:
        page.goto(server.base + path)
        for name in ("opt-in", "opted-in", "stopped"):
            expect(page.locator("html")).to_have_attribute("lang", language)
            expect(page.locator("html")).to_have_attribute("dir", load(language).direction)
            page.screenshot(path=picture(f"{name}-{language}"), full_page=True)
            assert fits(page)
            if name == "opt-in":
                assert violations(page) == ""
                press(page, page.get_by_role("button"))
            elif name == "opted-in":
                page.goto(server.base + stopped)


def test_opting_in_in_the_dark(browser: Browser, server: Server, url: str) -> None:
    """With enough contrast, on the pages that answer too."""
    [path] = asked(url, fresh("dark"))
    [stopped] = asked(url, fresh("dark.stopped"), against=Reason.OBJECTION)
    with opened(browser, script=True, scheme="dark") as page:
        page.goto(server.base + path)
        page.screenshot(path=picture("opt-in-dark"), full_page=True)
        assert violations(page) == ""
        press(page, page.get_by_role("button"))
        assert violations(page) == ""
        page.goto(server.base + stopped)
        assert violations(page) == ""


def test_dark_mode(browser: Browser, server: Server) -> None:
    """A dark page for who asks for one, with enough contrast."""
    with opened(browser, script=True, scheme="dark") as page:
        for name, path in [("unsubscribe", "u"), ("preferences", "p")]:
            page.goto(f"{server.base}/{path}/{token(number=7)}")
            expect(page.locator("html")).to_have_css("background-color", "rgb(22, 24, 29)")
            page.screenshot(path=picture(f"{name}-dark"), full_page=True)
            assert violations(page) == ""


def test_a_damaged_link(browser: Browser, server: Server) -> None:
    """Says what to do, and to whom one can write."""
    with opened(browser, script=True, size=PHONE) as page:
        answer = page.goto(f"{server.base}/u/{token(number=8)[:-1]}")
        assert answer
        assert answer.status == 404
        expect(page.get_by_role("link", name="privacy@example.com")).to_be_visible()
        page.screenshot(path=picture("damaged-link"), full_page=True)
        assert fits(page)
        assert violations(page) == ""


def test_an_accent_that_is_hard_to_see_can_be_read(browser: Browser, tmp_path: Path) -> None:
    """On the page's background, and behind the words of a button."""
    with (
        Server(make_site_store(tmp_path), {"web": {"accent": "#ffff00"}}) as server,
        opened(browser, script=True) as page,
    ):
        page.goto(f"{server.base}/p/{token(number=9)}")
        page.screenshot(path=picture("yellow"), full_page=True)
        assert violations(page) == ""


def test_axe_would_notice(browser: Browser, server: Server) -> None:
    """The proof can fail: a box that loses its label, and text that loses its contrast."""
    with opened(browser, script=True) as page:
        page.goto(f"{server.base}/p/{token(number=10)}")
        page.evaluate("document.querySelector('label').remove()")
        page.evaluate("document.querySelector('h1').style.color = '#eee'")
        report = violations(page)
        assert "label" in report
        assert "color-contrast" in report
