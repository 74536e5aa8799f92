"""A store that is copied into another database: there and back, through interruptions, beside whoever writes."""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.service import copy_pages
from consentmilter.store.copies import Copied, core_tables
from consentmilter.store.databases import Database
from consentmilter.store.migrate import record_keys
from consentmilter.store.reader import Reader
from consentmilter.store.schema import key_check
from consentmilter.store.writer import Store
from tests.ledger.making import verified
from tests.store.copy_making import add, alter, copying, held, listed, lived_in, moved, new_target, quiet, unmarked
from tests.store.stores import KINDS
from tests.store.support import KEYS, person, put, run

SOMEBODY = 777
TABLES = [table.name for table in core_tables()]


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that few rows are many pages."""
    monkeypatch.setattr(copy_pages, "ROWS_AT_ONCE", 16)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store to which everything happened, and a copy of it that is not finished."""
    directory = tmp_path_factory.mktemp("lived")
    source = f"sqlite:///{lived_in(directory)}"
    copying(source, new_target("sqlite", directory, "copied.db")).run(quiet)
    return directory


@pytest.fixture
def source(lived: Path, tmp_path: Path) -> str:
    """A store with rows in every table."""
    return f"sqlite:///{shutil.copy(lived / 'consent.db', tmp_path)}"


@pytest.fixture
def copied(lived: Path, tmp_path: Path) -> str:
    """A copy of it that is not finished."""
    return f"sqlite:///{shutil.copy(lived / 'copied.db', tmp_path)}"


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A file with empty tables."""
    return new_target("sqlite", tmp_path)


def stopped(pages: Iterator[int], _part: float) -> None:
    """Raise StopIteration when there are no more."""
    next(pages)


@pytest.mark.parametrize("there", KINDS)
def test_every_table_comes_there_and_back(there: str, source: str, tmp_path: Path) -> None:
    """With the same rows, and a ledger that is good; what happens there in between comes back, too."""
    before = held(source)
    assert [table for table, rows in before.items() if not rows] == []
    target = new_target(there, tmp_path)
    copy = moved(source, target)
    assert held(target) == before
    assert [tally.rows for tally in copy.tallies] == [len(before[table]) for table in TABLES]
    assert run(verified(target)).fault is None
    run(add(target, SOMEBODY))
    meanwhile = unmarked(held(target))
    back = moved(target, source)
    assert held(source) == meanwhile != before
    assert sum(tally.added + tally.changed + tally.removed for tally in back.tallies) == 1
    assert run(verified(source)).fault is None
    run(add(source, SOMEBODY + 1))


@pytest.mark.parametrize(("there", "stops"), [("sqlite", (1, 2, 5, 12)), ("postgresql", (6,))])
def test_a_copy_that_was_interrupted_goes_on(there: str, stops: tuple[int, ...], source: str, tmp_path: Path) -> None:
    """Whichever page it was at: none is brought over twice, and the end is the same."""
    before, target = held(source), new_target(there, tmp_path)
    added = 0
    for stop in stops:
        copy, pages = copying(source, target), iter(range(1, stop))
        with pytest.raises(StopIteration):
            copy.run(partial(stopped, pages))
        added += sum(tally.added for tally in copy.tallies)
    copy = copying(source, target)
    copy.run(quiet)
    added += sum(tally.added for tally in copy.tallies)
    assert added == sum(len(before[table]) for table in TABLES)
    copy.finish(quiet)
    assert held(target) == before


def test_an_interruption_within_a_page_leaves_nothing_of_it(
    source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not read back, so it is not there."""
    copy = copying(source, target)
    with monkeypatch.context() as patch:
        patch.setattr(Copied, "_write", written_and_interrupted(Copied._write))
        with pytest.raises(KeyboardInterrupt):
            copy.run(quiet)
    assert {table: rows for table, rows in held(target).items() if rows and table != key_check.name} == {}


def written_and_interrupted(write: Any) -> Any:
    def interrupted(*words: Any) -> None:
        write(*words)
        raise KeyboardInterrupt

    return interrupted


def test_what_is_written_meanwhile_comes_with_the_next_run(source: str, target: str) -> None:
    """Rows that came, changed and went, behind and before where the copy was."""
    copy = copying(source, target)
    tables: list[str] = []

    def meanwhile(_part: float) -> None:
        table = next(tally.table for tally in copy.tallies if not tally.digest)
        if table not in tables:
            tables.append(table)
            number = SOMEBODY + len(tables)
            run(add(source, number))
            alter(source, "UPDATE consent SET confirmed = NOT confirmed")
            if number % 2:
                alter(source, f"DELETE FROM suppression WHERE hex(subject) = '{person(number).hex().upper()}'")

    copy.run(meanwhile)
    assert len(tables) == len(TABLES)
    assert held(target) != held(source)
    copy.run(quiet)
    copy.finish(quiet)
    assert held(target) == unmarked(held(source))
    assert person(SOMEBODY + 1) in run(listed(target))


def test_an_entry_that_came_in_behind_its_page_leaves_its_evidence_for_the_next_run(source: str, copied: str) -> None:
    """What refers to it cannot come before it."""
    copy = copying(source, copied)
    late = iter([False, True])

    def meanwhile(_part: float) -> None:
        if copy.tallies[0].digest and next(late, True) is False:
            alter(source, "INSERT INTO ledger (at, actor, source, action, count) VALUES (1, 'a', 'b', 'prune', 1)")
            alter(source, "INSERT INTO ledger_evidence SELECT max(id), zeroblob(16), '{}' FROM ledger")

    copy.run(meanwhile)
    assert len(held(copied)["ledger_evidence"]) == len(held(source)["ledger_evidence"]) - 1
    copy.finish(quiet)
    assert held(copied) == unmarked(held(source))


def test_erased_evidence_is_erased_in_the_copy(source: str, copied: str) -> None:
    """A ledger may lose that, and nothing else."""
    copy = copying(source, copied)
    alter(source, "UPDATE ledger_evidence SET data = '{}', salt = x'' WHERE ledger_id = 1")
    copy.finish(quiet)
    assert held(copied)["ledger_evidence"][0] == (1, b"", "{}")
    assert run(verified(copied)).fault is None


@pytest.mark.parametrize("there", KINDS)
def test_nobody_works_with_a_copy_that_is_not_finished(there: str, source: str, tmp_path: Path) -> None:
    """Neither a command nor the mail path; `init` does not let them either."""
    target = new_target(there, tmp_path)
    copying(source, target).run(quiet)
    with pytest.raises(StoreSetupError, match="a copy that is not finished"):
        run(listed(target))
    with Reader(target, KEYS, deadline=10) as reader, pytest.raises(StoreSetupError, match="not finished"):
        reader.look_up([person(1)])
    with pytest.raises(StoreSetupError, match="not finished"):
        record_keys(target, KEYS)
    assert run(listed(source))


@pytest.mark.parametrize("here", KINDS)
def test_nobody_writes_to_a_store_that_has_moved(here: str, source: str, tmp_path: Path) -> None:
    """Not even who had it open before, and says so."""
    first, second = new_target(here, tmp_path), new_target("sqlite", tmp_path, "second.db")
    moved(source, first)

    async def work() -> None:
        async with Store.open(first, KEYS) as store:
            await store.write(put(SOMEBODY))
            await asyncio.to_thread(moved, first, second)
            with pytest.raises(StoreError, match=r"has moved.* change store\.url, and reload"):
                await store.write(put(SOMEBODY + 1))

    run(work())
    with pytest.raises(StoreSetupError, match=r"has moved to .*second\.db: change store\.url"):
        run(listed(first))
    with pytest.raises(StoreSetupError, match="has moved"):
        moved(first, new_target("sqlite", tmp_path, "third.db"))
    everybody = run(listed(second))
    assert (person(SOMEBODY) in everybody, person(SOMEBODY + 1) in everybody) == (True, False)


def test_writers_wait_for_the_last_changes_and_are_refused_then(source: str, target: str) -> None:
    """Whatever was acknowledged is in the copy."""
    copy = copying(source, target)
    reached, go_on = threading.Event(), threading.Event()

    def wait(_part: float) -> None:
        reached.set()
        assert go_on.wait(60)

    async def work() -> None:
        async with Store.open(source, KEYS, lock_timeout=0.2) as store:
            await store.write(put(SOMEBODY))
            finishing = asyncio.create_task(asyncio.to_thread(copy.finish, wait))
            assert await asyncio.to_thread(reached.wait, 60)
            with pytest.raises(StoreBusyError):
                await store.write(put(SOMEBODY + 1))
            go_on.set()
            await finishing
            with pytest.raises(StoreError, match="has moved"):
                await store.write(put(SOMEBODY + 2))

    run(work())
    everybody = run(listed(target))
    assert {number for number in range(3) if person(SOMEBODY + number) in everybody} == {0}


def test_a_last_run_that_breaks_off_leaves_the_store_at_work(source: str, target: str) -> None:
    """Before the copy is committed or behind that: the store takes changes, and another last run moves."""
    with pytest.raises(StopIteration):
        copying(source, target).finish(partial(stopped, iter(range(3))))
    assert {table: rows for table, rows in held(target).items() if rows and table != key_check.name} == {}
    run(add(source, SOMEBODY))
    copy = copying(source, target)
    copy._target = cast(Database, Breaking(copy._target))
    with pytest.raises(KeyboardInterrupt):
        copy.finish(quiet)
    assert run(listed(target)) == run(listed(source))
    run(add(source, SOMEBODY + 1))
    moved(source, target)
    assert person(SOMEBODY + 1) in run(listed(target))


class Breaking:
    """A database behind whose commit the program is interrupted."""

    def __init__(self, place: Database) -> None:
        self.name, self.look = place.name, place.look
        self._make = place.make

    def make(self, *words: Any) -> None:
        self._make(*words)
        raise KeyboardInterrupt
