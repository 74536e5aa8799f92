"""Consents in their service: each statement with its evidence, in one transaction, and what stands then."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consentmilter.errors import StoreError, UsageError
from consentmilter.ledger import Action
from consentmilter.model import Assertion, Basis, Consent, ConsentState, Reason
from consentmilter.service.consents import (
    OptIn,
    Proof,
    confirm,
    facts_about,
    grant,
    grant_many,
    held,
    preview_many,
    request,
    withdraw,
)
from consentmilter.service.suppressions import Actor, assert_one, begin_batch, history
from consentmilter.store.writer import Store
from tests.service.by_hand import by_hand, is_sqlite
from tests.store.stores import KINDS, new_store
from tests.store.support import KEYS, NOON, person, run

ALICE, PAGE = Actor("alice", "cli"), Actor("", "opt-in")
NEWS = "acme.news"
FORM = Proof("ticked the box", form="/register", ip="192.0.2.7", message_id="<1@x>", text_version="v3")
LATER = NOON + timedelta(hours=1)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store at `url`."""
    async with Store.open(url, KEYS) as store:
        yield store


def noon() -> datetime:
    return NOON


def later() -> datetime:
    return LATER


def opt_in(number: int = 1, **changes: Any) -> OptIn:
    return OptIn(**{"subject": person(number), "stream": NEWS, "proof": FORM, "address": "one@x.example", **changes})


def granted(number: int = 1, **changes: Any) -> Consent:
    given = {"basis": Basis.CONSENT, "at": NOON, "confirmed": False, "origin": "cli:alice", "address": "one@x.example"}
    return Consent(person(number), NEWS, ConsentState.GRANTED, **{**given, **changes})


def test_a_grant_stands_with_its_evidence_in_the_ledger(url: str) -> None:
    """Everything that shows it, committed to, and the row without any of it."""

    async def scene() -> None:
        async with opened(url) as store:
            assert await grant(store, opt_in(), ALICE, now=noon) == granted()
            assert await held(store, [person(1), person(2)]) == [granted()]
            [entry] = await history(store, [person(1)])
            assert (entry.at, entry.actor, entry.source, entry.action) == (NOON, "alice", "cli", Action.GRANT)
            assert (entry.scope, entry.reason, entry.batch) == (NEWS, None, None)
            assert entry.evidence is not None
            assert entry.commitment == entry.evidence.commitment()
            assert entry.evidence.data == {
                "evidence": "ticked the box",
                "form": "/register",
                "ip": "192.0.2.7",
                "message_id": "<1@x>",
                "text_version": "v3",
                "at": "2026-03-01T12:00:00+00:00",
                "basis": "consent",
                "address": "one@x.example",
            }

    run(scene())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"proof": Proof()}, "a consent needs evidence"),
        ({"proof": Proof(" ", form="")}, "a consent needs evidence"),
        ({"at": LATER}, "2026-03-01 13:00 UTC, which is still to come"),
    ],
)
def test_a_grant_that_makes_no_sense_changes_nothing(url: str, wrong: dict[str, Any], message: str) -> None:
    """Neither table nor ledger."""

    async def scene() -> None:
        async with opened(url) as store:
            with pytest.raises(UsageError, match=message):
                await grant(store, opt_in(**wrong), ALICE, now=noon)
            assert await held(store, [person(1)]) == []
            assert await history(store, [person(1)]) == []

    run(scene())


def test_a_double_opt_in_leaves_both_ends(url: str) -> None:
    """Asked, then confirmed by the person: the address is that of the question."""

    async def scene() -> None:
        async with opened(url) as store:
            asked = await request(store, person(1), NEWS, FORM, ALICE, address="one@x.example", now=noon)
            assert asked is None
            [row] = await held(store, [person(1)])
            assert (row.state, row.origin) == (ConsentState.REQUESTED, "cli:alice")
            stands = await confirm(store, person(1), NEWS, Proof("link of 2026-03-01", ip="192.0.2.0"), PAGE, now=later)
            assert stands == granted(at=LATER, confirmed=True, origin="opt-in")
            assert await held(store, [person(1)]) == [stands]
            told = await history(store, [person(1)])
            assert [entry.action for entry in told] == [Action.REQUEST, Action.GRANT]
            assert told[1].evidence is not None
            assert told[1].evidence.data["confirmed"] == "yes"

    run(scene())


def test_a_withdrawal_holds_from_now_on_and_below(url: str) -> None:
    """Whatever was granted before it; the next grant must be later."""

    async def scene() -> None:
        async with opened(url) as store:
            await grant(store, opt_in(), ALICE, now=noon)
            stands = await withdraw(store, person(1), "acme", Proof(), PAGE, now=later)
            assert stands is not None
            assert (stands.state, stands.stream, stands.at) == (ConsentState.WITHDRAWN, "acme", LATER)
            assert await grant(store, opt_in(at=NOON), ALICE, now=later) == stands
            assert await grant(store, opt_in(), ALICE, now=later) == stands
            after = LATER + timedelta(seconds=1)
            assert await grant(store, opt_in(), ALICE, now=lambda: after) == granted(at=after)
            assert [entry.action for entry in await history(store, [person(1)])] == [
                Action.GRANT,
                Action.WITHDRAW,
                *[Action.GRANT] * 3,
            ]

    run(scene())


def test_times_are_compared_as_they_are_stored(url: str) -> None:
    """Half a second after a withdrawal is not later: the store has whole seconds."""

    async def scene() -> None:
        async with opened(url) as store:
            await withdraw(store, person(1), NEWS, Proof(), ALICE, now=noon)
            soon = NOON + timedelta(milliseconds=900)
            stands = await grant(store, opt_in(), ALICE, now=lambda: soon)
            assert stands is not None
            assert stands.state is ConsentState.WITHDRAWN
            assert await held(store, [person(1)]) == [stands]

    run(scene())


def test_a_clock_that_is_behind_keeps_nobody_from_withdrawing(url: str) -> None:
    """The grant came from a machine whose clock is fast."""

    async def scene() -> None:
        async with opened(url) as store:
            await grant(store, opt_in(), ALICE, now=later)
            stands = await withdraw(store, person(1), "acme", Proof(), PAGE, now=noon)
            assert stands is not None
            assert (stands.state, stands.at) == (ConsentState.WITHDRAWN, LATER)

    run(scene())


def test_many_grants_go_in_with_an_entry_each_and_again_change_nothing(url: str) -> None:
    """An interrupted import that is run again leaves the same."""
    rows = [opt_in(1), opt_in(2, proof=Proof()), opt_in(2, at=NOON - timedelta(days=1)), opt_in(3, at=NOON)]

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin_batch(store, "f", b"d", ALICE, NEWS, Reason.IMPORTED, now=noon)
            assert await preview_many(store, batch, rows, ALICE, now=later) == 3
            assert await held(store, [person(1)]) == []
            for changed in (3, 0):
                assert await grant_many(store, batch, rows, ALICE, now=later) == changed
            found = await held(store, [person(number) for number in range(5)])
            assert found == [granted(number, batch=batch.id) for number in (1, 2, 3)]
            entries = await history(store, [row.subject for row in rows])
            assert [(entry.subject, entry.batch) for entry in entries] == [
                (person(number), batch.id) for number in (1, 2, 3)
            ]

    run(scene())


def test_a_batch_brings_back_who_withdrew_by_later_evidence_only(url: str) -> None:
    """A list that is loaded again, with or without dates, has none."""

    async def scene() -> None:
        async with opened(url) as store:
            for number in range(3):
                await withdraw(store, person(number), "acme", Proof(), ALICE, now=noon)
            batch = await begin_batch(store, "f", b"d", ALICE, NEWS, Reason.IMPORTED, now=later)
            rows = [opt_in(0, proof=Proof()), opt_in(1, at=NOON), opt_in(2)]
            assert await grant_many(store, batch, rows, ALICE, now=later) == 1
            found = await held(store, [person(number) for number in range(3)])
            assert [row.subject for row in found if row.state is ConsentState.GRANTED] == [person(2)]

    run(scene())


def test_a_batch_with_a_row_that_makes_no_sense_changes_nothing(url: str) -> None:
    """All of it or nothing."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin_batch(store, "f", b"d", ALICE, NEWS, Reason.IMPORTED, now=noon)
            wrong = opt_in(2, confirmed=True, proof=Proof())
            with pytest.raises(UsageError, match="evidence of its confirmation"):
                await grant_many(store, batch, [opt_in(1), wrong], ALICE, now=later)
            assert await held(store, [person(1)]) == []

    run(scene())


def test_what_cannot_be_told_does_not_happen(kind: str, tmp_path: Path) -> None:
    """A ledger that takes nothing keeps the consent out as well."""
    url = new_store(kind, tmp_path)
    with by_hand(url) as hand:
        hand.execute(
            "CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'full'); END"
            if is_sqlite(url)
            else "ALTER TABLE ledger ADD CONSTRAINT is_full CHECK (false)"
        )

    async def scene() -> None:
        async with opened(url) as store:
            for work in (grant(store, opt_in(), ALICE), withdraw(store, person(1), NEWS, Proof(), ALICE)):
                with pytest.raises(StoreError, match="full"):
                    await work
            assert await held(store, [person(1)]) == []

    run(scene())


def test_the_facts_about_a_person_are_of_one_moment(url: str) -> None:
    """Suppressions and consents, under all of the person's keys."""

    async def scene() -> None:
        async with opened(url) as store:
            await grant(store, opt_in(), ALICE, now=noon)
            await assert_one(store, Assertion(person(2), None, "acme", Reason.UNSUBSCRIBE), ALICE, now=noon)
            found = await facts_about(store, [person(1), person(2)])
            assert found.consents == [granted()]
            assert [row.subject for row in found.suppressions] == [person(2)]

    run(scene())


def test_proof_is_what_says_something() -> None:
    """Blanks prove nothing."""
    assert not Proof(evidence="  ")
    assert Proof(ip="192.0.2.1").told() == {"ip": "192.0.2.1"}
