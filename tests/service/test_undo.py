"""Imports taken back: what goes, what stays, and what the ledger tells of it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.ledger import Action
from consentmilter.model import Assertion, Reason
from consentmilter.service import undo as undoing
from consentmilter.service.suppressions import (
    Actor,
    Outcome,
    assert_one,
    begin_batch,
    finish_batch,
    held,
    history,
    lift,
)
from consentmilter.service.undo import latest, preview_undo, undo
from consentmilter.store import undoing as store_undoing
from consentmilter.store.batches import Batch
from consentmilter.store.schema import suppression
from consentmilter.store.writer import Store
from tests.files import HashAssertion, import_rows
from tests.service.by_hand import rows
from tests.service.test_suppressions import ALICE, CLICK, LATER, later, noon, opened
from tests.store.stores import KINDS
from tests.store.support import NOON, child, person, run

UNDO = """
import asyncio, sys
from consentmilter.service import undo
from tests.service.test_suppressions import ALICE, opened
undo.SUBJECTS_AT_ONCE = 100
async def main(url, batch):
    async with opened(url) as store:
        await undo.undo(store, batch, ALICE, progress=lambda done: print(done, flush=True))
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


def people(numbers: Sequence[int]) -> list[Assertion]:
    return [Assertion(person(n), f"p{n}@x.example", "*", Reason.IMPORTED) for n in numbers]


def digests(numbers: Sequence[int]) -> list[HashAssertion]:
    return [HashAssertion(bytes([n]) * 32, "*", Reason.IMPORTED) for n in numbers]


async def begin(store: Store, digest: bytes = b"file") -> Batch:
    return await begin_batch(store, "list.csv", digest, ALICE, "*", Reason.IMPORTED, now=noon)


async def subjects(store: Store, numbers: Sequence[int]) -> list[bytes]:
    return [row.subject for row in await held(store, [person(n) for n in numbers])]


def test_undo_lifts_what_the_batch_made_and_nothing_else(url: str) -> None:
    """Not what stood before, not what another file made, nor what this one made to hold longer."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, replace(people([1])[0], expires=LATER), CLICK, now=noon)
            one, other = await begin(store), await begin(store, b"other")
            await import_rows(store, one, people(range(1, 4)), ALICE, now=noon)
            await import_rows(store, other, people([4]), ALICE, now=noon)
            done = await undo(store, one.id, ALICE, now=later)
            assert (done.lifted, done.kept, done.before) == (2, 0, None)
            assert await subjects(store, range(6)) == [person(1), person(4)]
            assert [row.expires for row in await held(store, [person(1)])] == [None]

    run(scene())


@pytest.mark.parametrize("again", ["click", "other import", "same import"])
def test_whom_somebody_named_since_stays(url: str, again: str) -> None:
    """A click on an imported address counts, and another file; the same import does not speak for itself."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1, 2]), ALICE, now=noon)
            match again:
                case "click":
                    await assert_one(store, people([1])[0], CLICK, now=later)
                case "other import":
                    await import_rows(store, await begin(store, b"other"), people([1]), ALICE, now=later)
                case _:
                    await import_rows(store, batch, people([1]), ALICE, now=later)
            stays = again != "same import"
            foreseen = await preview_undo(store, batch.id)
            assert (foreseen.lifted, foreseen.kept) == ((1, 1) if stays else (2, 0))
            done = await undo(store, batch.id, ALICE)
            assert (done.lifted, done.kept) == (foreseen.lifted, foreseen.kept)
            assert await subjects(store, [1, 2]) == ([person(1)] if stays else [])

    run(scene())


def test_a_click_between_finding_and_lifting_counts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are found by a read that keeps nobody from writing, and looked at again under the lock."""
    find = store_undoing.find

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1, 2]), ALICE, now=noon)

            async def found(*arguments: Any) -> list[bytes]:
                rows = await find(*arguments)
                if rows:
                    await assert_one(store, people([1])[0], CLICK, now=later)
                return rows

            monkeypatch.setattr(store_undoing, "find", found)
            done = await undo(store, batch.id, ALICE)
            assert (done.lifted, done.kept) == (1, 1)
            assert await subjects(store, [1, 2]) == [person(1)]

    run(scene())


def test_each_person_has_an_entry_that_names_the_import(url: str) -> None:
    """With all that is needed to tell how the list was before."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1, 2]), ALICE, now=noon)
            await undo(store, batch.id, Actor("bob", "cli"), now=later)
            (entry,) = await history(store, [person(1)])
            assert (entry.action, entry.actor, entry.batch, entry.at) == (Action.LIFT, "bob", batch.id, LATER)
            assert (entry.scope, entry.reason) == ("*", Reason.IMPORTED)
            assert entry.evidence is not None
            assert entry.evidence.commitment() == entry.commitment
            assert entry.evidence.data == {
                "address": "p1@x.example",
                "evidence": f"undo of import {batch.id}",
                "created": NOON.isoformat(),
            }

    run(scene())


def test_a_hash_list_is_undone_with_one_entry(url: str) -> None:
    """A digest names nobody; the entry holds their number, and a digest over them."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            said = digests([1, 2, 3])
            outcome = await import_rows(store, batch, said, ALICE, list_name="partner", now=noon)
            assert outcome == Outcome(new=3, known=0)
            other = await begin(store, b"other")
            await import_rows(store, other, said[:1], ALICE, list_name="else", now=later)
            (first, *_) = rows = await held(store, [each.digest for each in said])
            assert [(row.subject, row.address, row.origin) for row in rows] == [
                (each.digest, None, "list:partner") for each in said
            ]
            assert (first.asserted_again, first.batch) == (True, batch.id)
            done = await undo(store, batch.id, ALICE, now=later)
            assert (done.lifted, done.kept) == (2, 1)
            assert [row.subject for row in await held(store, [each.digest for each in said])] == [said[0].digest]

    run(scene())
    assert rows(url, "SELECT subject, count, length(digest) FROM ledger WHERE action = 'lift'") == [(None, 2, 32)]


def test_the_same_file_is_another_import_after_an_undo(url: str) -> None:
    """While the one that was undone takes nothing more."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1]), ALICE, now=noon)
            await finish_batch(store, batch, rows=4, bad=1, skipped=2, now=noon)
            assert (await begin(store)).finished == NOON
            await undo(store, batch.id, ALICE, now=later)
            with pytest.raises(UsageError, match="was undone at 2026-03-01 13:00 UTC"):
                await import_rows(store, batch, people([2]), ALICE)
            again = await begin(store)
            assert (again.id != batch.id, again.finished) == (True, None)
            assert await import_rows(store, again, people([1]), ALICE) == Outcome(new=1, known=0)
            done = await undo(store, batch.id, ALICE)
            assert (done.lifted, done.before) == (0, LATER)
            assert await subjects(store, [1]) == [person(1)]

    run(scene())


def test_an_undo_that_was_killed_is_completed_by_the_next(url: str) -> None:
    """What it told is gone; each person who was lifted has one entry, and nobody two."""

    async def imported() -> str:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people(range(2000)), ALICE, now=noon)
            return batch.id

    async def completed(batch: str) -> None:
        async with opened(url) as store:
            done = await undo(store, batch, ALICE)
            assert done.before is not None
            assert 0 < done.lifted <= 2000 - told

    batch = run(imported())
    with child(UNDO, url, batch) as process:
        assert process.stdout is not None
        told = int(process.stdout.readline())
        process.kill()
    assert told == 100
    run(completed(batch))
    assert rows(url, "SELECT count(*) FROM suppression") == [(0,)]
    lifts = "SELECT count(*), count(DISTINCT subject) FROM ledger WHERE action = 'lift'"
    assert rows(url, lifts) == [(2000, 2000)]
    assert rows(url, "SELECT count(*) FROM ledger_evidence") == [(2000,)]


def test_others_write_between_the_parts_of_an_undo(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is let go after each."""
    monkeypatch.setattr(undoing, "SUBJECTS_AT_ONCE", 10)
    left: list[int] = []

    async def counted(connection: AsyncConnection) -> int:
        return await connection.scalar(sa.select(sa.func.count()).select_from(suppression)) or 0

    async def count(store: Store) -> None:
        left.append(await store.write(counted))

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people(range(50)), ALICE, now=noon)
            others: list[asyncio.Task[None]] = []
            await undo(store, batch.id, ALICE, progress=lambda _done: others.append(asyncio.create_task(count(store))))
            await asyncio.gather(*others)

    run(scene())
    assert left[0] in (30, 40)
    assert len(set(left)) > 2


def test_an_import_that_there_is_not_is_refused_with_those_that_there_are(url: str) -> None:
    """The latest first."""

    async def scene() -> None:
        async with opened(url) as store:
            with pytest.raises(UsageError, match="there is no import 'x'; nothing was imported so far"):
                await undo(store, "x", ALICE)
            first = await begin_batch(store, "one", b"1", ALICE, "*", Reason.IMPORTED, now=noon)
            second = await begin_batch(store, "two", b"2", ALICE, "*", Reason.IMPORTED, now=later)
            assert [batch.id for batch in await latest(store)] == [second.id, first.id]
            with pytest.raises(UsageError, match=f"the latest are {second.id} of two, {first.id} of one"):
                await preview_undo(store, "x")

    run(scene())


def test_lifted_by_hand_and_then_undone_is_lifted_once(url: str) -> None:
    """The undo finds nothing of it any more."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1, 2]), ALICE, now=noon)
            await lift(store, person(1), evidence="ticket", actor=ALICE)
            assert (await undo(store, batch.id, ALICE)).lifted == 1
            assert len(await history(store, [person(1)])) == 1

    run(scene())
