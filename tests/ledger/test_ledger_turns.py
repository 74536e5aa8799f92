"""PostgreSQL gives ids out before their commit: nobody who follows the ledger may pass one that is still to come."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest

from consentmilter.service.changes import changes
from consentmilter.service.sealing import seal_all
from consentmilter.service.suppressions import assert_one
from consentmilter.service.verifying import verify
from consentmilter.store.writer import Store
from tests.ledger.alterations import unguarded
from tests.ledger.making import ALICE
from tests.ledger.test_ledger_chain import said
from tests.service.by_hand import rows
from tests.store.support import KEYS, NOON, person, run, wait_for

pytestmark = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)

BOUND = 60.0

APPEND = (
    "INSERT INTO ledger (at, actor, source, action, subject, scope, reason, count) "
    "VALUES (%s, 'alice', 'cli', 'add', %s, 'acme', 'manual', 1) RETURNING id"
)


def append(connection: psycopg.Connection, number: int) -> int:
    """An entry about the person, not committed yet; its id."""
    [(entry,)] = connection.execute(APPEND, (int(NOON.timestamp()), person(number))).fetchall()
    return int(entry)


def blocked(url: str) -> bool:
    """Whether anybody waits for another's transaction."""
    query = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
    )
    return bool(rows(url, query))


@contextmanager
def in_thread(work: Callable[[], object]) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(BOUND)
        assert not thread.is_alive()


async def follow(url: str, cursor: str | None) -> tuple[list[int], str]:
    """Whom the feed tells of behind the cursor, and the next cursor."""
    async with Store.open(url, KEYS) as store:
        page = await changes(store, cursor, 100)
        return [int.from_bytes(change.subject) for change in page.items], page.cursor


def test_an_entry_gets_its_id_when_the_one_before_it_is_committed(url: str) -> None:
    """Whoever appends, by this program or not: the database makes them wait."""
    ids: list[int] = []
    with closing(psycopg.connect(url)) as first, closing(psycopg.connect(url)) as second:
        ids.append(append(first, 1))
        with in_thread(lambda: ids.append(append(second, 2))):
            wait_for(lambda: blocked(url), BOUND)
            seen, cursor = run(follow(url, None))
            assert seen == []
            first.commit()
        second.commit()
    assert ids == sorted(ids)
    assert run(follow(url, cursor))[0] == [1, 2]


def test_without_these_turns_a_cursor_would_pass_an_entry(url: str) -> None:
    """The test above can fail: the later id is seen first, and the earlier one never."""
    unguarded(url)
    with closing(psycopg.connect(url)) as first, closing(psycopg.connect(url)) as second:
        assert append(first, 1) < append(second, 2)
        second.commit()
        seen, cursor = run(follow(url, None))
        assert seen == [2]
        first.commit()
    assert run(follow(url, cursor))[0] == []


def test_an_entry_that_was_rolled_back_is_not_missed(url: str) -> None:
    """Its id is gone for good, at the end of the ledger too; that is no fault of the ledger."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await assert_one(store, said(1), ALICE)
            with closing(psycopg.connect(url)) as other:
                append(other, 2)
                other.rollback()
            assert (await verify(store)).fault is None
            await assert_one(store, said(3), ALICE)
            found = await verify(store)
            assert (found.entries, found.fault) == (2, None)

    run(work())
    assert rows(url, "SELECT id FROM ledger ORDER BY id") == [(1,), (3,)]


def test_ids_that_come_with_their_entries_are_not_given_again(url: str) -> None:
    """As in a copy of a ledger: what is appended later comes behind them."""
    with closing(psycopg.connect(url)) as connection:
        connection.execute(
            "INSERT INTO ledger (id, at, actor, source, action, count) VALUES (7, 1, 'a', 'cli', 'add', 1)"
        )
        assert append(connection, 1) == 8
        connection.commit()
    assert rows(url, "SELECT id FROM ledger_end") == [(8,)]


def test_nodes_that_write_at_once_leave_one_chain_and_followers_miss_nothing(url: str) -> None:
    """Four of them, a sealer beside them, and somebody who follows the feed."""
    everybody = set(range(1, 61))

    async def node(numbers: list[int]) -> None:
        async with Store.open(url, KEYS) as store:
            for number in numbers:
                await assert_one(store, said(number), ALICE)

    async def sealer(done: asyncio.Event) -> None:
        async with Store.open(url, KEYS) as store:
            while not done.is_set():
                assert (await seal_all(store)).new == 0

    async def follower(done: asyncio.Event) -> list[int]:
        seen: list[int] = []
        cursor: str | None = None
        while not done.is_set() or len(seen) < len(everybody):
            found, cursor = await follow(url, cursor)
            seen += found
        return seen

    async def work() -> list[int]:
        done = asyncio.Event()
        beside = [asyncio.create_task(sealer(done)), asyncio.create_task(follower(done))]
        await asyncio.gather(*(node([n for n in everybody if n % 4 == which]) for which in range(4)))
        done.set()
        _, seen = await asyncio.gather(*beside)
        assert seen is not None
        async with Store.open(url, KEYS) as store:
            found = await verify(store)
            assert (found.entries, found.fault) == (len(everybody), None)
        return list(seen)

    seen = run(work())
    assert len(seen) == len(everybody)
    assert set(seen) == everybody
