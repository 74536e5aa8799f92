"""Asserting, lifting and reading suppressions, each change with its ledger entry."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consentmilter.errors import StoreBusyError, StoreError, UsageError
from consentmilter.ledger import Action, Entry, Evidence
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.service.suppressions import Actor, Outcome, assert_many, assert_one, held, history, lift
from consentmilter.store.sqlite.lock import held as lock_held
from consentmilter.store.writer import Store
from tests.service.by_hand import by_hand, rows
from tests.store.stores import KINDS
from tests.store.support import KEYS, NOON, person, run

ALICE = Actor("alice", "cli")
CLICK = Actor("", "click")
LATER = NOON + timedelta(hours=1)
SAID = Assertion(person(1), "one@x.example", "acme.news", Reason.UNSUBSCRIBE)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store at `url`, which gives up a lock soon."""
    async with Store.open(url, KEYS, lock_timeout=1.0) as store:
        yield store


def noon() -> datetime:
    return NOON


def later() -> datetime:
    return LATER


def same_salt(octets: int) -> bytes:
    return bytes(range(octets))


def facts(entries: Sequence[Entry]) -> list[tuple[Any, ...]]:
    """Who did what, in short."""
    return [(entry.action, entry.source, entry.actor, entry.scope, entry.reason) for entry in entries]


def test_an_assertion_makes_a_suppression_and_a_ledger_entry(url: str) -> None:
    """With all that was said, and who said it when."""

    async def scene() -> None:
        async with opened(url) as store:
            said = replace(SAID, evidence="wrote on 1 March", expires=LATER)
            assert await assert_one(store, said, ALICE, now=noon, random=same_salt) == Outcome(new=1, known=0)
            assert await held(store, [person(1)]) == [
                Suppression(
                    person(1), "acme.news", Reason.UNSUBSCRIBE, "cli:alice", NOON, LATER, address="one@x.example"
                )
            ]
            (entry,) = await history(store, [person(1)])
            assert facts([entry]) == [(Action.ADD, "cli", "alice", "acme.news", Reason.UNSUBSCRIBE)]
            assert (entry.at, entry.subject, entry.count, entry.id) == (NOON, person(1), 1, 1)
            assert entry.evidence is not None
            assert entry.evidence.salt == same_salt(16)
            assert entry.evidence.data == {
                "address": "one@x.example",
                "evidence": "wrote on 1 March",
                "expires": LATER.isoformat(),
            }

    run(scene())


def test_the_time_when_a_person_said_so_counts_where_it_is_known(url: str) -> None:
    """An opt-out collected last week holds since last week; the ledger tells when it was recorded, too."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, replace(SAID, at=NOON), ALICE, now=later)
            assert [row.created for row in await held(store, [person(1)])] == [NOON]
            (entry,) = await history(store, [person(1)])
            assert entry.at == LATER
            assert entry.evidence is not None
            assert entry.evidence.data["created"] == NOON.isoformat()

    run(scene())


def test_without_personal_fields_an_entry_has_no_evidence(url: str) -> None:
    """Where addresses are not stored, a click leaves nothing but the key."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, replace(SAID, address=None), CLICK, now=noon)
            (entry,) = await history(store, [person(1)])
            assert (entry.evidence, entry.commitment) == (None, None)
            assert [row.origin for row in await held(store, [person(1)])] == ["click"]

    run(scene())
    assert rows(url, "SELECT count(*) FROM ledger_evidence") == [(0,)]


def test_evidence_can_be_blanked_under_an_entry_that_stays(url: str) -> None:
    """What erasure will do: the entry keeps its commitment, which tells nothing without the salt."""

    async def entry_now() -> Entry:
        async with opened(url) as store:
            (entry,) = await history(store, [person(1)])
            return entry

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, SAID, ALICE, now=noon)

    run(scene())
    before = run(entry_now())
    assert before.evidence is not None
    assert before.commitment == before.evidence.commitment()
    with by_hand(url) as hand:
        hand.execute("UPDATE ledger_evidence SET salt = ?, data = '{}'", (b"",))
    assert run(entry_now()) == replace(before, evidence=Evidence(b"", {}))


def test_a_repeat_marks_the_row_and_keeps_its_beginning(url: str) -> None:
    """Since when and by whom it holds stay as they were; every repeat is in the ledger."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, SAID, ALICE, now=noon)
            (first,) = await held(store, [person(1)])
            for _ in range(2):
                assert await assert_one(store, SAID, CLICK, now=later) == Outcome(new=0, known=1)
            assert await held(store, [person(1)]) == [replace(first, asserted_again=True, repeated=LATER)]
            assert [entry.action for entry in await history(store, [person(1)])] == ["add", "repeat", "repeat"]

    run(scene())


def test_other_scopes_and_reasons_are_other_suppressions(url: str) -> None:
    """Each is made, none repeats another."""

    async def scene() -> None:
        async with opened(url) as store:
            said = [SAID, replace(SAID, scope="acme"), replace(SAID, reason=Reason.COMPLAINT)]
            assert await assert_many(store, said, ALICE, now=noon) == Outcome(new=3, known=0)
            assert len(await held(store, [person(1)])) == 3

    run(scene())


@pytest.mark.parametrize(
    ("stands", "said", "then"),
    [
        (NOON, LATER, LATER),
        (LATER, NOON, LATER),
        (NOON, None, None),
        (None, NOON, None),
        (None, None, None),
        (NOON, NOON, NOON),
    ],
)
def test_a_repeat_never_makes_a_suppression_end_earlier(
    url: str, stands: datetime | None, said: datetime | None, then: datetime | None
) -> None:
    """No end beats any end, then the later one."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, replace(SAID, expires=stands), ALICE, now=noon)
            await assert_one(store, replace(SAID, expires=said), ALICE, now=noon)
            assert [row.expires for row in await held(store, [person(1)])] == [then]

    run(scene())


def test_an_address_is_filled_in_but_never_replaced(url: str) -> None:
    """A row made by a click has none until somebody names it."""

    async def scene() -> None:
        async with opened(url) as store:
            for address, then in ((None, None), ("one@x.example", "one@x.example"), ("ONE@x.example", "one@x.example")):
                await assert_one(store, replace(SAID, address=address), CLICK, now=noon)
                assert [row.address for row in await held(store, [person(1)])] == [then]

    run(scene())


def test_one_person_named_twice_in_one_call_repeats(url: str) -> None:
    """Every assertion counts."""

    async def scene() -> None:
        async with opened(url) as store:
            assert await assert_many(store, [SAID, SAID], ALICE, now=noon) == Outcome(new=1, known=1)
            assert [row.asserted_again for row in await held(store, [person(1)])] == [True]

    run(scene())


def test_of_several_assertions_all_go_in_or_none(url: str) -> None:
    """A bad one among them leaves neither rows nor entries."""

    async def scene() -> None:
        async with opened(url) as store:
            with pytest.raises(StoreError, match="suppression_subject_octets"):
                await assert_many(store, [SAID, replace(SAID, subject=b"short")], ALICE, now=noon)

    run(scene())
    for table in ("suppression", "ledger", "ledger_evidence"):
        assert rows(url, f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_an_assertion_that_cannot_be_stored_is_an_error(url: str, database: Path) -> None:
    """So that a click is answered 503 and not 200; nothing of it happens later."""

    async def scene() -> None:
        async with opened(url) as store:
            with lock_held(database, 1), pytest.raises(StoreBusyError):
                await assert_one(store, SAID, CLICK, now=noon)
            assert await held(store, [person(1)]) == []
            assert await history(store, [person(1)]) == []

    run(scene())


def test_odd_octets_in_text_are_stored_escaped(url: str) -> None:
    """A surrogate in what a person wrote is no reason to lose the opt-out."""

    async def scene() -> None:
        async with opened(url) as store:
            said = replace(SAID, address="\udcff@x.example", evidence="\udcff\0")
            await assert_one(store, said, Actor("\udcff", "cli"), now=noon)
            (row,) = await held(store, [person(1)])
            assert (row.address, row.origin) == ("\\udcff@x.example", "cli:\\udcff")
            (entry,) = await history(store, [person(1)])
            assert entry.evidence is not None
            assert entry.evidence.commitment() == entry.commitment

    run(scene())


@pytest.mark.parametrize(
    ("scope", "reason", "left"),
    [
        (None, None, set()),
        ("acme", None, {("acme.news", Reason.UNSUBSCRIBE), ("acme.news", Reason.COMPLAINT)}),
        (None, Reason.COMPLAINT, {("acme.news", Reason.UNSUBSCRIBE), ("acme", Reason.UNSUBSCRIBE)}),
        ("acme.news", Reason.COMPLAINT, {("acme.news", Reason.UNSUBSCRIBE), ("acme", Reason.UNSUBSCRIBE)}),
        ("acme", Reason.COMPLAINT, {("acme.news", Reason.UNSUBSCRIBE), ("acme", Reason.UNSUBSCRIBE),
                                    ("acme.news", Reason.COMPLAINT)}),
    ],
)  # fmt: skip
def test_lifting_removes_what_was_named_and_nothing_else(
    url: str, scope: str | None, reason: Reason | None, left: set[tuple[str, Reason]]
) -> None:
    """A scope is that scope, not those below it; other people stay."""

    async def scene() -> None:
        async with opened(url) as store:
            rows = [SAID, replace(SAID, scope="acme"), replace(SAID, reason=Reason.COMPLAINT)]
            await assert_many(store, [*rows, replace(SAID, subject=person(2))], ALICE, now=noon)
            before = await held(store, [person(1)])
            removed = await lift(store, person(1), scope, reason, evidence="signed up again", actor=ALICE, now=later)
            after = await held(store, [person(1)])
            assert {(row.scope, row.reason) for row in after} == left
            assert {(row.scope, row.reason) for row in removed} == {(r.scope, r.reason) for r in before} - left
            assert len(await held(store, [person(2)])) == 1

    run(scene())


def test_each_lifted_suppression_has_its_entry_with_the_evidence(url: str) -> None:
    """And with what was lifted: who wants to know finds the whole story."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_many(store, [SAID, replace(SAID, scope="acme")], CLICK, now=noon)
            await lift(store, person(1), evidence="ticket 17", actor=ALICE, now=later)
            entries = (await history(store, [person(1)]))[2:]
            assert facts(entries) == [
                (Action.LIFT, "cli", "alice", "acme", Reason.UNSUBSCRIBE),
                (Action.LIFT, "cli", "alice", "acme.news", Reason.UNSUBSCRIBE),
            ]
            for entry in entries:
                assert entry.evidence is not None
                assert entry.evidence.commitment() == entry.commitment
                assert entry.evidence.data == {
                    "address": "one@x.example",
                    "evidence": "ticket 17",
                    "created": NOON.isoformat(),
                }
            salts = {entry.evidence.salt for entry in await history(store, [person(1)]) if entry.evidence}
            assert len(salts) == 4

    run(scene())


def test_lifting_nothing_leaves_no_entry(url: str) -> None:
    """The ledger tells of changes."""

    async def scene() -> None:
        async with opened(url) as store:
            assert await lift(store, person(1), evidence="ticket 17", actor=ALICE) == []
            assert await history(store, [person(1)]) == []

    run(scene())


@pytest.mark.parametrize("evidence", ["", "  \n"])
def test_lifting_without_evidence_is_refused(url: str, evidence: str) -> None:
    """Nobody is mailed again on nobody's word."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, SAID, CLICK, now=noon)
            with pytest.raises(UsageError, match="needs evidence"):
                await lift(store, person(1), evidence=evidence, actor=ALICE)
            assert len(await held(store, [person(1)])) == 1

    run(scene())


def test_history_is_in_the_order_of_the_ledger_and_of_these_people_only(url: str) -> None:
    """A person has several keys: address, domain, domains above it."""

    async def scene() -> None:
        async with opened(url) as store:
            for number in (2, 1, 3, 2):
                await assert_one(store, replace(SAID, subject=person(number)), CLICK, now=noon)
            entries = await history(store, [person(1), person(2)])
            assert [entry.subject for entry in entries] == [person(2), person(1), person(2)]
            assert [entry.id for entry in entries] == [1, 2, 4]

    run(scene())


def test_any_number_of_people_can_be_asked_for_at_once(url: str) -> None:
    """More than one statement holds, each person once."""

    async def scene() -> None:
        async with opened(url) as store:
            said = [replace(SAID, subject=person(number)) for number in (0, 999, 1000, 2500)]
            await assert_many(store, said, CLICK, now=noon)
            found = await held(store, [*map(person, range(2600)), person(0)])
            assert [row.subject for row in found] == [person(number) for number in (0, 999, 1000, 2500)]

    run(scene())
