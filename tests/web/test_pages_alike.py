"""Nobody learns from an answer who is on the list, or which tokens are near a good one; and looking changes nothing."""

import asyncio
import base64
import os
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime

import httpx
import pytest

from consentmilter.service import clicks
from consentmilter.service.suppressions import Outcome, held
from consentmilter.store.writer import Store
from consentmilter.tokens import LENGTH
from consentmilter.web import pages
from tests.web.pages_site import NOON, ONE_CLICK, Served, on_site, token

FORGED = int(os.environ.get("FORGED_TOKENS", "300"))
SCANS = int(os.environ.get("SCANS", "400"))
"""How many in the long run says `make torture`; a few tell as much of a fault that is not a matter of luck."""

SEED = int(os.environ.get("SEED", "1"))

SCANNERS = [
    {"User-Agent": "Mozilla/5.0 (compatible; LinkCheck/1.0)", "Accept": "*/*"},
    {"User-Agent": "", "Range": "bytes=0-100", "Purpose": "prefetch"},
    {"User-Agent": "curl/8", "Content-Type": "application/x-www-form-urlencoded", "X-HTTP-Method-Override": "POST"},
    {"Cookie": "List-Unsubscribe=One-Click", "Accept-Language": "*", "Sec-Fetch-Mode": "no-cors"},
]


def flipped(good: str) -> Iterator[str]:
    """Every token that differs from a good one in one bit."""
    octets = base64.b32decode(good.upper() + "====")
    for bit in range(len(octets) * 8):
        other = (int.from_bytes(octets) ^ 1 << bit).to_bytes(len(octets))
        yield base64.b32encode(other).decode().rstrip("=").lower()


def guessed(count: int) -> Iterator[str]:
    """Tokens of the right shape, and some of a wrong one."""
    luck = random.Random(SEED)
    for number in range(count):
        length = LENGTH if number % 4 else luck.randrange(1, 200)
        yield "".join(luck.choices("abcdefghijklmnopqrstuvwxyz234567", k=length))


async def scanned(site: Served, count: int) -> None:
    """Look at links as scanners do, and find that nothing has changed."""
    before = await site.contents()
    for number in range(count):
        method, path = random.Random(number).choice([("GET", "u"), ("HEAD", "u"), ("GET", "p"), ("HEAD", "p")])
        link = f"/{path}/{token(number=number % 7)}"
        content = ONE_CLICK if number % 3 == 0 else b""  # some send a body with anything
        answer = await site.client.request(
            method, link, headers=SCANNERS[number % len(SCANNERS)], content=content, params={"n": number}
        )
        assert answer.status_code == 200
    assert await site.contents() == before


@pytest.mark.timeout(60 + SCANS / 50)
def test_scanners_change_nothing(url: str) -> None:
    """However many, with whatever headers and bodies."""
    on_site(url, lambda site: scanned(site, SCANS), seconds=30 + SCANS / 50)


def test_a_page_that_acts_on_looking_would_be_noticed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above can fail."""
    monkeypatch.setattr(pages, "READING", ())

    async def story(site: Served) -> None:
        with pytest.raises(AssertionError):
            await scanned(site, 10)

    on_site(url, story)


@pytest.mark.timeout(90 + FORGED / 50)
def test_forged_tokens_change_nothing_and_are_answered_alike(url: str) -> None:
    """Every bit of a good one flipped, and guesses: the same page, down to the header."""

    async def story(site: Served) -> None:
        before = await site.contents()
        known = await site.client.get("/u/x"), await site.client.post("/u/x", content=ONE_CLICK)
        for forged in [*flipped(token()), *guessed(FORGED)]:
            for path in ("u", "p") if FORGED < 1000 else ("u",):
                looked = await site.client.get(f"/{path}/{forged}")
                clicked = await site.client.post(f"/{path}/{forged}", content=ONE_CLICK)
                for answer, expected in zip((looked, clicked), known, strict=True):
                    assert answer.status_code == expected.status_code == 404
                    assert answer.content == expected.content, f"{forged} (seed {SEED})"
                    assert answer.headers == expected.headers
        assert await site.contents() == before

    on_site(url, story, seconds=60 + FORGED / 50)


async def answers_to(site: Served, ask: Callable[[Served, int], Awaitable[httpx.Response]]) -> list[httpx.Response]:
    """What somebody unknown, somebody who opted out just now, and somebody on an operator's list are answered."""
    await clicks.click(site.context.store, (3).to_bytes(16), ["acme.newsletter", "acme"], evidence="before", at=NOON)
    return [await ask(site, number) for number in (1, 1, 2, 3)]


@pytest.mark.parametrize("path", ["u", "p"])
def test_known_and_unknown_people_get_the_same_page(url: str, path: str) -> None:
    """Octet by octet, wherever it does not name the link itself."""

    async def story(site: Served) -> None:
        async def ask(site: Served, number: int) -> httpx.Response:
            return await site.client.get(f"/{path}/{token(number=number)}")

        answers = await answers_to(site, ask)
        bare = {answer.text.replace(token(number=n), "") for answer, n in zip(answers, (1, 1, 2, 3), strict=True)}
        assert len(bare) == 1
        assert len({str(answer.headers) for answer in answers}) == 1

    on_site(url, story)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("u", ONE_CLICK),
        ("u", b"do=unsubscribe"),
        ("p", b"do=everything"),
        ("p", b"do=selected&stream=acme.newsletter"),
        ("u", b"unclear"),
    ],
)
def test_known_and_unknown_people_get_the_same_answer(url: str, path: str, content: bytes) -> None:
    """The same status, header and length; an undo token differs, but is there for all."""

    async def story(site: Served) -> None:
        async def ask(site: Served, number: int) -> httpx.Response:
            return await site.client.post(f"/{path}/{token(number=number)}", content=content)

        answers = await answers_to(site, ask)
        assert len({answer.status_code for answer in answers}) == 1
        assert len({str(answer.headers) for answer in answers}) == 1
        assert len({len(answer.content) for answer in answers}) == 1

    on_site(url, story)


async def medians(site: Served, strangers: range) -> tuple[float, float]:
    """How long a one-click request takes for people not yet on the list and for one who is, in turn."""
    unknown: list[float] = []
    known: list[float] = []
    for number in strangers:
        for who, times in ((number, unknown), (1, known)):
            begin = time.perf_counter()
            answer = await site.client.post(f"/u/{token(number=who)}", content=ONE_CLICK)
            times.append(time.perf_counter() - begin)
            assert answer.status_code == 200
    return statistics.median(unknown), statistics.median(known)


async def takes_as_long(site: Served, tries: int) -> bool:
    """Whether the two medians are near each other; a machine that is busy elsewhere gets some tries."""
    for first in range(100, 100 * (tries + 1), 100):
        one, other = await medians(site, range(first, first + 30))
        if abs(one - other) < max(0.003, 0.4 * min(one, other)):
            return True
    return False


def test_known_and_unknown_people_wait_as_long(url: str) -> None:
    """Both get a ledger entry and a commit; a difference would have to be seen through a network, too."""

    async def story(site: Served) -> None:
        assert await takes_as_long(site, tries=4)

    on_site(url, story)


def test_an_answer_that_is_quicker_for_known_people_would_be_noticed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above can fail."""
    real = clicks.click

    async def telling(store: Store, subject: bytes, scopes: Sequence[str], *, evidence: str, at: datetime) -> Outcome:
        if not await held(store, [subject]):
            await asyncio.sleep(0.05)
        return await real(store, subject, scopes, evidence=evidence, at=at)

    monkeypatch.setattr(clicks, "click", telling)

    async def story(site: Served) -> None:
        assert not await takes_as_long(site, tries=1)

    on_site(url, story)
