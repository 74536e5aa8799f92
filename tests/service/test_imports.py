"""Imports: batches, chunks, interruptions, and what stands already."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from consentmilter.errors import StoreError, UsageError
from consentmilter.model import Assertion, Reason
from consentmilter.service import bulk, suppressions
from consentmilter.service.bulk import preview_staged
from consentmilter.service.suppressions import (
    CHUNK_ROWS,
    Actor,
    Outcome,
    assert_one,
    begin_batch,
    find_batch,
    finish_batch,
    get_batch,
    held,
    history,
    lift,
)
from consentmilter.store.batches import Batch
from consentmilter.store.ready import Rows
from consentmilter.store.said import Columns
from consentmilter.store.staging import Staging
from consentmilter.store.writer import Store
from tests.files import as_said, import_rows, rows_digest
from tests.service.by_hand import rows
from tests.service.test_suppressions import ALICE, CLICK, LATER, later, noon, opened
from tests.store.stores import KINDS
from tests.store.support import NOON, child, person, run, wait_for

DIGEST = b"digest of a file"

IMPORT = """
import asyncio, sys
from consentmilter.service.suppressions import begin_batch
from tests.files import import_rows
from tests.service.test_imports import ALICE, DIGEST, people
from tests.service.test_suppressions import opened
from consentmilter.model import Reason
async def main(url, chunks):
    async with opened(url) as store:
        batch = await begin_batch(store, "list.csv", DIGEST, ALICE, "*", Reason.IMPORTED)
        for chunk in range(chunks):
            await import_rows(store, batch, people(range(chunk * 100, chunk * 100 + 100)), ALICE)
            print(chunk, flush=True)
    sys.stdin.read()
asyncio.run(main(sys.argv[1], 20))
"""


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store."""
    return str(request.param)


def people(numbers: Sequence[int]) -> list[Assertion]:
    """What a file says of these people."""
    return [Assertion(person(n), f"p{n}@x.example", "*", Reason.IMPORTED, at=NOON) for n in numbers]


async def begin(store: Store, digest: bytes = DIGEST, scope: str = "*") -> Batch:
    return await begin_batch(store, "list.csv", digest, ALICE, scope, Reason.IMPORTED, now=noon)


def contents(url: str) -> list[tuple[object, ...]]:
    """All suppressions, as the table has them."""
    return rows(url, "SELECT * FROM suppression ORDER BY subject, scope, reason")


def test_a_chunk_makes_suppressions_that_name_their_batch(url: str) -> None:
    """And counts them."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            assert await import_rows(store, batch, people(range(3)), ALICE, now=later) == Outcome(new=3, known=0)
            found = await held(store, [person(n) for n in range(3)])
            assert [(row.origin, row.batch, row.asserted_again) for row in found] == [("import", batch.id, False)] * 3
            assert [(row.created, row.address) for row in found] == [(NOON, f"p{n}@x.example") for n in range(3)]

    run(scene())


def test_a_chunk_is_one_ledger_entry_over_its_rows(url: str) -> None:
    """With the count, and the digest that the same rows have again."""

    async def scene() -> str:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people(range(100)), ALICE, now=later)
            await import_rows(store, batch, people(range(100, 150)), Actor("bob", "cli"), now=later)
            assert await history(store, [person(1)]) == []
            return batch.id

    batch_id = run(scene())
    told = "SELECT at, actor, source, action, batch, subject, scope, reason, count, digest FROM ledger ORDER BY id"
    at = int(LATER.timestamp())
    assert rows(url, told) == [
        (at, "alice", "cli", "import", batch_id, None, "*", "imported", 100, rows_digest(people(range(100)))),
        (at, "bob", "cli", "import", batch_id, None, "*", "imported", 50, rows_digest(people(range(100, 150)))),
    ]
    assert rows(url, "SELECT count(*) FROM ledger_evidence") == [(0,)]


def test_what_stood_before_is_marked_and_stays_whose_it_was(url: str) -> None:
    """Undoing this import must not lift it."""

    async def scene() -> None:
        async with opened(url) as store:
            (said,) = people([1])
            await assert_one(store, replace(said, at=None), CLICK, now=noon)
            batch = await begin(store)
            assert await import_rows(store, batch, people(range(3)), ALICE, now=later) == Outcome(new=2, known=1)
            (row,) = await held(store, [person(1)])
            assert (row.origin, row.batch, row.asserted_again) == ("click", None, True)

    run(scene())


def test_rows_of_another_import_are_marked(url: str) -> None:
    """Two lists that name the same person: undoing either leaves the other's word."""

    async def scene() -> None:
        async with opened(url) as store:
            one, other = await begin(store, b"one"), await begin(store, b"other")
            await import_rows(store, one, people(range(2)), ALICE, now=noon)
            assert await import_rows(store, other, people(range(1, 3)), ALICE, now=noon) == Outcome(new=1, known=1)
            found = await held(store, [person(n) for n in range(3)])
            assert [row.batch for row in found] == [one.id, one.id, other.id]
            assert [row.asserted_again for row in found] == [False, True, False]

    run(scene())


def test_a_click_on_an_imported_row_marks_it(url: str) -> None:
    """The person has spoken; the row is no longer only the import's."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1]), ALICE, now=noon)
            await assert_one(store, people([1])[0], CLICK, now=later)
            await import_rows(store, batch, people([1]), ALICE, now=later)
            (row,) = await held(store, [person(1)])
            assert (row.batch, row.asserted_again) == (batch.id, True)

    run(scene())


def test_the_same_rows_of_the_same_batch_again_change_nothing(url: str) -> None:
    """As in an import that was interrupted and begun anew."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people(range(50)), ALICE, now=noon)
            before = contents(url)
            assert await import_rows(store, batch, people(range(50)), ALICE, now=later) == Outcome(new=0, known=50)
            assert contents(url) == before

    run(scene())


def test_one_person_twice_in_a_chunk_is_one_row_that_holds_longest(url: str) -> None:
    """The first time counts for since when, and the later rows count as known."""

    async def scene() -> None:
        async with opened(url) as store:
            (said,) = people([1])
            batch = await begin(store)
            rows = [
                replace(said, expires=NOON),
                replace(said, expires=LATER, at=LATER),
                replace(said, expires=NOON + timedelta(minutes=1)),
            ]
            assert await import_rows(store, batch, rows, ALICE, now=noon) == Outcome(new=1, known=2)
            (row,) = await held(store, [person(1)])
            assert (row.created, row.expires, row.asserted_again) == (NOON, LATER, False)
            await import_rows(store, batch, [replace(said, expires=NOON), said], ALICE, now=noon)
            (row,) = await held(store, [person(1)])
            assert row.expires is None

    run(scene())


def test_a_batch_is_finished_with_its_counts(url: str) -> None:
    """Of the rows read: made by it, bad, and all others known."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, people([1])[0], CLICK, now=noon)
            batch = await begin(store)
            await import_rows(store, batch, people(range(5)), ALICE, now=noon)
            await import_rows(store, batch, people([4, 5]), ALICE, now=noon)
            done = await finish_batch(store, batch, rows=9, bad=2, now=later)
            assert (done.finished, done.rows, done.new, done.known, done.bad) == (LATER, 9, 5, 2, 2)
            assert await get_batch(store, batch.id) == done
            assert await find_batch(store, DIGEST, "*", Reason.IMPORTED) == done
            assert (done.file, done.actor, done.started) == ("list.csv", "alice", NOON)

    run(scene())


def test_an_interrupted_import_goes_on_as_the_same_batch(url: str) -> None:
    """It is not doubled, and its counts are those of an import that was not interrupted."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people(range(100)), ALICE, now=noon)
        async with opened(url) as store:
            assert await begin(store) == batch
            for start in (0, 100):
                await import_rows(store, batch, people(range(start, start + 100)), ALICE, now=later)
            done = await finish_batch(store, batch, rows=200, bad=0, now=later)
            assert (done.new, done.known) == (200, 0)

    run(scene())


def test_the_same_file_again_asserts_nothing_and_says_so(url: str) -> None:
    """Not as repeats either: the marks would keep its own undo from working."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people(range(3)), ALICE, now=noon)
            await finish_batch(store, batch, rows=3, bad=0, now=later)
            before = contents(url)
            again = await begin(store)
            assert (again.id, again.finished) == (batch.id, LATER)
            with pytest.raises(UsageError, match=r"list.csv was finished at 2026-03-01 13:00 UTC"):
                await import_rows(store, again, people(range(3)), ALICE)
            with pytest.raises(UsageError, match="was finished at"):
                await finish_batch(store, again, rows=3, bad=0)
            assert contents(url) == before

    run(scene())


@pytest.mark.parametrize(("digest", "scope"), [(b"other", "*"), (DIGEST, "acme")])
def test_another_file_or_scope_is_another_batch(url: str, digest: bytes, scope: str) -> None:
    """Only the same file, asserted for the same, is the same import."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            assert (await begin(store, digest, scope)).id != batch.id
            assert await find_batch(store, DIGEST, "*", Reason.COMPLAINT) is None

    run(scene())


def test_an_unknown_batch_is_refused(url: str) -> None:
    """Its rows could never be undone."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = replace(await begin(store), id="0123")
            with pytest.raises(UsageError, match="there is no import 0123"):
                await import_rows(store, batch, people([1]), ALICE)
            assert await get_batch(store, "0123") is None

    run(scene())


def test_a_chunk_with_a_bad_row_leaves_nothing(url: str) -> None:
    """Neither rows nor an entry, and the next chunk finds the staging table as it should be."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            bad = replace(people([9])[0], subject=b"short")
            with pytest.raises(StoreError, match="suppression_subject_octets"):
                await import_rows(store, batch, [*people(range(5)), bad], ALICE)
            assert contents(url) == []
            await import_rows(store, batch, people([1]), ALICE)

    run(scene())
    assert rows(url, "SELECT action, count FROM ledger") == [("import", 1)]


def test_a_chunk_has_its_limit_and_may_be_empty(url: str) -> None:
    """The lock is not held for as long as a whole file takes; nothing said is nothing to tell."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            assert await import_rows(store, batch, [], ALICE) == Outcome(0, 0)
            too_many = Rows.of(Columns.of([as_said(each) for each in people(range(CHUNK_ROWS + 1))]).in_order())
            with pytest.raises(ValueError, match="10000 rows at most"):
                await suppressions.import_rows(store, batch, too_many, ALICE)
            outcome = await import_rows(store, batch, people(range(CHUNK_ROWS)), ALICE)
            assert outcome == Outcome(CHUNK_ROWS, 0)

    run(scene())
    assert rows(url, "SELECT count FROM ledger") == [(CHUNK_ROWS,)]


def test_a_preview_counts_and_changes_nothing(url: str) -> None:
    """It says what the import then does."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, people([1])[0], CLICK, now=noon)
            before = contents(url)
            rows = people([*range(2500), 7])
            with store.spill() as spill:
                staged = Staging(spill)
                staged.add(map(as_said, rows))
                assert await preview_staged(store, staged) == Outcome(new=2499, known=2)
            assert contents(url) == before
            assert await find_batch(store, DIGEST, "*", Reason.IMPORTED) is None
            assert await import_rows(store, await begin(store), rows, ALICE) == Outcome(new=2499, known=2)

    run(scene())


def test_an_imported_row_that_is_lifted_names_its_batch_in_the_ledger(url: str) -> None:
    """Its making is told by the batch only."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            await import_rows(store, batch, people([1]), ALICE, now=noon)
            await lift(store, person(1), evidence="ticket 17", actor=ALICE)
            assert [entry.batch for entry in await history(store, [person(1)])] == [batch.id]

    run(scene())


def test_a_file_name_in_any_encoding_is_kept(url: str) -> None:
    """As Python hands over names that are no text."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin_batch(store, "liste\udce9.csv", b"x", ALICE, "*", Reason.IMPORTED, now=noon)
            found = await get_batch(store, batch.id)
            assert found is not None
            assert found.file == "liste\\udce9.csv"

    run(scene())


@pytest.mark.parametrize("chunks", [1, 7])
def test_an_import_killed_in_the_middle_is_run_again_to_the_same_result(url: str, chunks: int) -> None:
    """Whole chunks are there or not at all; the second run leaves what one run would have left."""
    with child(IMPORT, url) as process:
        assert process.stdout is not None
        for _ in range(chunks):
            process.stdout.readline()
    [(there,)] = rows(url, "SELECT count(*) FROM suppression")
    assert rows(url, "SELECT coalesce(sum(count), 0) FROM ledger") == [(there,)]
    assert there % 100 == 0
    assert there >= chunks * 100

    async def again() -> None:
        async with opened(url) as store:
            batch = await begin(store)
            for start in range(0, 2000, 100):
                await import_rows(store, batch, people(range(start, start + 100)), ALICE)
            done = await finish_batch(store, batch, rows=2000, bad=0)
            assert (done.new, done.known) == (2000, 0)

    run(again())
    made = contents(url)
    assert len(made) == 2000
    assert {(row[3], row[5]) for row in made} == {("import", False)}
    assert len({row[4] for row in made}) == 1


def test_the_next_chunk_is_made_while_one_goes_in(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor need not wait for the disk."""
    made: list[int] = []
    stored: list[int] = []

    def making(columns: Columns, _sources: object) -> Rows:
        made.append(columns.count)
        return Rows(columns.count, b"", columns)

    async def storing(*_arguments: object, **_options: object) -> Outcome:
        stored.append(len(stored) + 1)
        await asyncio.to_thread(wait_for, lambda: len(made) > len(stored) or len(made) == 3)
        return Outcome(0, 0)

    async def scene() -> None:
        async with opened(url) as store:
            with store.spill() as spill:
                staged = Staging(spill)
                staged.add(map(as_said, people(range(5))))
                await bulk.import_staged(store, await begin(store), staged, ALICE)

    monkeypatch.setattr(bulk, "CHUNK_ROWS", 2)
    monkeypatch.setattr(Rows, "of", making)
    monkeypatch.setattr(bulk, "import_rows", storing)
    run(scene())
    assert (made, stored) == ([2, 2, 1], [1, 2, 3])


def test_others_write_between_the_chunks_of_an_import(url: str) -> None:
    """The lock is released after each: a click waits for one chunk, not for the file."""

    async def scene() -> None:
        async with opened(url) as importing, opened(url) as clicking:
            batch = await begin(importing)
            chunks_before_click: list[int] = []
            done = 0

            async def import_all() -> None:
                nonlocal done
                for chunk in range(12):
                    rows = people(range(chunk * 500, chunk * 500 + 500))
                    await import_rows(importing, batch, rows, ALICE)
                    done += 1

            task = asyncio.create_task(import_all())
            for number in range(3):
                before = done
                await assert_one(clicking, replace(people([number])[0], scope="acme"), CLICK)
                chunks_before_click.append(done - before)
            await task
            assert max(chunks_before_click) <= 3

    run(scene())
