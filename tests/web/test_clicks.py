"""A click goes into the list, and exactly that click can be taken back."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from consentmilter.ledger import Action
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.service.clicks import click, take_back
from consentmilter.service.suppressions import Actor, Outcome, assert_one, held, history
from consentmilter.store.writer import Store
from tests.store.support import person, run
from tests.web.pages_site import NOON, RING

ANNA = person(1)
NEWS = ("acme.newsletter",)
LATER = NOON + timedelta(minutes=5)


def in_store(url: str, story: Callable[[Store], Awaitable[None]]) -> None:
    """Tell a story on the open store."""

    async def told() -> None:
        async with Store.open(url, RING.checks()) as store:
            await story(store)

    run(told())


async def clicked(store: Store, *scopes: str, at: datetime = NOON) -> Outcome:
    return await click(store, ANNA, scopes, evidence="one-click", at=at)


async def taken_back(store: Store, *scopes: str, of: datetime = NOON) -> list[Suppression]:
    return await take_back(store, ANNA, scopes, of, evidence="undo button", at=LATER)


async def said(store: Store, origin: Actor, reason: Reason = Reason.UNSUBSCRIBE, at: datetime = NOON) -> None:
    await assert_one(store, Assertion(ANNA, None, NEWS[0], reason), origin, now=lambda: at)


def test_a_click_makes_a_suppression_without_an_address(url: str) -> None:
    """With the way it came in the ledger."""

    async def story(store: Store) -> None:
        assert await clicked(store, *NEWS) == Outcome(new=1, known=0)
        assert await held(store, [ANNA]) == [Suppression(ANNA, NEWS[0], Reason.UNSUBSCRIBE, "click", NOON)]
        (entry,) = await history(store, [ANNA])
        assert (entry.action, entry.source, entry.actor) == (Action.ADD, "click", "")
        assert entry.evidence
        assert entry.evidence.data == {"evidence": "one-click"}

    in_store(url, story)


def test_a_click_is_taken_back_whole(url: str) -> None:
    """All its scopes, each with a ledger entry that proves what was lifted."""

    async def story(store: Store) -> None:
        await clicked(store, "acme.newsletter", "acme.offers")
        lifted = await taken_back(store, "acme.newsletter", "acme.offers")
        assert [row.scope for row in lifted] == ["acme.newsletter", "acme.offers"]
        assert await held(store, [ANNA]) == []
        *_, last = await history(store, [ANNA])
        assert (last.action, last.at, last.scope) == (Action.LIFT, LATER, "acme.offers")
        assert last.evidence
        assert last.evidence.data == {"evidence": "undo button", "created": NOON.isoformat()}
        assert last.commitment == last.evidence.commitment()

    in_store(url, story)


def test_taking_back_what_is_not_there_leaves_no_trace(url: str) -> None:
    """Twice, before the click, or for another scope."""

    async def story(store: Store) -> None:
        assert await taken_back(store, *NEWS) == []
        await clicked(store, *NEWS)
        assert await taken_back(store, "acme", "acme.offers", "*") == []
        assert len(await taken_back(store, *NEWS)) == 1
        assert await taken_back(store, *NEWS) == []
        assert [entry.action for entry in await history(store, [ANNA])] == [Action.ADD, Action.LIFT]

    in_store(url, story)


def test_a_second_click_stays(url: str) -> None:
    """Whoever asks twice means it: neither click can be taken back then, not even within one second."""

    async def story(store: Store) -> None:
        for at in (NOON, LATER):
            await clicked(store, *NEWS, at=at)
        assert await taken_back(store, *NEWS, of=NOON) == []
        assert await taken_back(store, *NEWS, of=LATER) == []
        assert len(await held(store, [ANNA])) == 1

    in_store(url, story)


def test_what_stood_before_stays(url: str) -> None:
    """A click on top of an import, a mail or an operator's entry takes nothing of them away."""

    async def story(store: Store) -> None:
        for origin in (Actor("", "mail"), Actor("alice", "cli"), Actor("forms", "api")):
            await said(store, origin)
            await clicked(store, *NEWS)
            assert await taken_back(store, *NEWS) == []
        assert len(await held(store, [ANNA])) == 1

    in_store(url, story)


def test_what_somebody_asserts_after_the_click_stays(url: str) -> None:
    """Also within the same second."""

    async def story(store: Store) -> None:
        await clicked(store, *NEWS)
        await said(store, Actor("", "mail"))
        assert await taken_back(store, *NEWS) == []
        assert len(await held(store, [ANNA])) == 1

    in_store(url, story)


def test_other_reasons_and_other_people_stay(url: str) -> None:
    """Only the opt-out of that person is looked at."""

    async def story(store: Store) -> None:
        await said(store, Actor("", "click"), Reason.COMPLAINT)
        await clicked(store, *NEWS)
        await click(store, person(2), NEWS, evidence="one-click", at=NOON)
        assert len(await taken_back(store, *NEWS)) == 1
        assert [row.reason for row in await held(store, [ANNA])] == [Reason.COMPLAINT]
        assert len(await held(store, [person(2)])) == 1

    in_store(url, story)
