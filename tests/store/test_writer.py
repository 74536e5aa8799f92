"""The asynchronous store: one change after another, and nothing acknowledged that is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError, StoreRefusedError
from consentmilter.store.databases import database
from consentmilter.store.writer import Job, Store
from tests.service.emptied import emptied_store
from tests.store.stores import both_stores
from tests.store.support import KEYS, child, counted, finished, person, put, run, seen, subjects

pytestmark = both_stores

WRITE = """
import asyncio, sys
from consentmilter.store.writer import Store
from tests.store.support import KEYS, put
async def main(url, first, count):
    async with Store.open(url, KEYS, lock_timeout=30) as store:
        for number in range(first, first + count):
            await store.write(put(number))
            print(number, flush=True)
asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`; a database of a server is emptied, and not made, for each test."""
    return emptied_store(kind, tmp_path)


def test_a_change_is_there_once_write_returns(url: str) -> None:
    """For this process, for another connection, and with what the job returned."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:

            async def job(connection: AsyncConnection) -> str:
                await put(1)(connection)
                return "done"

            assert await store.write(job) == "done"
            assert await store.read(subjects) == {person(1)}
            assert await asyncio.to_thread(seen, url, "SELECT subject FROM suppression") == [(person(1),)]

    run(scene())


@pytest.mark.parametrize("fault", ["error of the job's", "error of the database's"])
def test_an_error_undoes_the_whole_job(url: str, fault: str) -> None:
    """The first rows too; the next change goes through."""

    async def job(connection: AsyncConnection) -> None:
        await put(1, 2)(connection)
        if fault == "error of the job's":
            raise ZeroDivisionError
        await connection.execute(sa.text("INSERT INTO suppression (scope) VALUES ('*')"))

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with pytest.raises(ZeroDivisionError if fault == "error of the job's" else StoreRefusedError):
                await store.write(job)
            await store.write(put(3))
            assert await store.read(subjects) == {person(3)}

    run(scene())


def test_what_a_job_awaited_and_was_cancelled_undoes_the_job_only(url: str) -> None:
    """The writer goes on, and the caller is told instead of being taken for cancelled itself."""

    async def job(connection: AsyncConnection) -> None:
        await put(1)(connection)
        raise asyncio.CancelledError

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with pytest.raises(StoreError, match="given up; nothing of it has happened"):
                await store.write(job)
            await store.write(put(2))
            assert await store.read(subjects) == {person(2)}

    run(scene())


async def _cancelled_in_mid_change(store: Store, write: Callable[[Job[Any]], Awaitable[Any]]) -> set[bytes]:
    """Who is suppressed after the caller of a change was cancelled between its two rows."""
    between, go_on = asyncio.Event(), asyncio.Event()

    async def job(connection: AsyncConnection) -> None:
        await put(1)(connection)
        between.set()
        await go_on.wait()
        await put(2)(connection)

    async def call() -> None:
        await write(job)

    caller = asyncio.create_task(call())
    await between.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go_on.set()
    await store.write(put(3))
    return await store.read(subjects)


def test_a_cancelled_caller_does_not_interrupt_its_change(url: str) -> None:
    """A client that hangs up while its opt-out is being written is opted out; the lock is free afterwards."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            assert await _cancelled_in_mid_change(store, store.write) == {person(1), person(2), person(3)}

    run(scene())


def test_run_in_the_callers_own_task_the_change_would_be_lost(url: str) -> None:
    """Which shows that the test above can fail."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            writing = database(url).writes(KEYS, 1.0)
            found = await _cancelled_in_mid_change(store, lambda job: writing.run(job, 1.0))
            await writing.close()
            assert found == {person(3)}

    run(scene())


def test_an_error_after_the_caller_was_cancelled_troubles_nobody(url: str) -> None:
    """Nobody fetches it, and asyncio must not complain (warnings are errors here)."""

    async def fail(connection: AsyncConnection) -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        complaints: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
        async with Store.open(url, KEYS) as store:
            caller = asyncio.create_task(store.write(fail))
            await asyncio.sleep(0)
            caller.cancel()
            await store.write(put(1))
        del caller
        assert complaints == []

    run(scene())


def test_changes_are_carried_out_one_at_a_time_in_order(url: str) -> None:
    """Each sees what the ones before it left."""
    seen: list[int] = []

    def job(number: int) -> Job[None]:
        async def work(connection: AsyncConnection) -> None:
            seen.append(len(await subjects(connection)))
            await put(number)(connection)

        return work

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await asyncio.gather(*(store.write(job(number)) for number in range(20)))

    run(scene())
    assert seen == list(range(20))


def test_reads_go_on_beside_a_change_and_see_one_state(url: str) -> None:
    """A reader neither waits for the change nor sees half of it."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))
            between, go_on = asyncio.Event(), asyncio.Event()

            async def job(connection: AsyncConnection) -> None:
                await put(2)(connection)
                between.set()
                await go_on.wait()

            async def twice(connection: AsyncConnection) -> tuple[set[bytes], set[bytes]]:
                before = await subjects(connection)
                go_on.set()
                await change
                return before, await subjects(connection)

            change = asyncio.create_task(store.write(job))
            await between.wait()
            assert await store.read(twice) == ({person(1)}, {person(1)})
            assert await store.read(subjects) == {person(1), person(2)}

    run(scene())


def test_many_reads_at_once_are_answered(url: str) -> None:
    """More than there are connections."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))
            assert await asyncio.gather(*(store.read(subjects) for _ in range(40))) == [{person(1)}] * 40

    run(scene())


def test_a_read_cannot_write(url: str) -> None:
    """Its connection is read-only."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with pytest.raises(StoreError, match=r"readonly database|read-only transaction"):
                await store.read(put(1))

    run(scene())


def test_a_change_that_waits_for_another_change_is_refused(url: str) -> None:
    """It would wait for itself for ever."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:

            async def job(connection: AsyncConnection) -> None:
                await store.write(put(1))

            with pytest.raises(StoreError, match="make both in one job"):
                await store.write(job)

    run(scene())


def test_an_open_store_does_not_keep_others_from_writing(url: str) -> None:
    """The lock is held during a change only."""

    async def scene() -> None:
        async with Store.open(url, KEYS, 1.0) as one, Store.open(url, KEYS, 1.0) as other:
            for number in range(10):
                await (one, other)[number % 2].write(put(number))
            assert len(await one.read(subjects)) == 10

    run(scene())


def test_processes_that_write_at_once_lose_nothing(url: str, kind: str) -> None:
    """Every change that was acknowledged is there, and the database is whole."""
    with ExitStack() as stack:
        writers = [stack.enter_context(child(WRITE, url, 1000 * number, 40)) for number in (1, 2)]
        told = {int(line) for writer in writers for line in finished(writer).split()}
    there = {int.from_bytes(row[0]) for row in seen(url, "SELECT subject FROM suppression")}
    assert kind != "sqlite" or seen(url, "PRAGMA integrity_check") == [("ok",)]
    assert told == there
    assert len(there) == 80


def test_closing_finishes_what_was_asked_for(url: str) -> None:
    """And refuses what comes later."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            changes = [asyncio.create_task(store.write(put(number))) for number in range(5)]
            await asyncio.sleep(0)
        await asyncio.gather(*changes)
        for work in (store.write, store.read):
            with pytest.raises(StoreError, match="the store is closed"):
                await work(put(9))

    run(scene())
    assert seen(url, "SELECT count(*) FROM suppression") == [(5,)]


def test_a_program_that_ends_in_the_middle_answers_every_caller(url: str) -> None:
    """When asyncio ends by cancelling all tasks, the writer's too, no caller waits for ever."""
    outcomes: list[object] = []

    async def caller(store: Store, number: int) -> None:
        try:
            await store.write(put(number))
        except (StoreError, asyncio.CancelledError) as error:
            outcomes.append(error)

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=0.2) as store:
            callers = [asyncio.create_task(caller(store, number)) for number in range(3)]
            await asyncio.sleep(0)
            store._writer.cancel()
            await asyncio.gather(*callers)
            with pytest.raises(StoreError, match="the store is closed"):
                await store.write(put(9))

    with pytest.raises(asyncio.CancelledError):
        run(scene())
    assert [type(outcome) for outcome in outcomes] == [StoreError] * 3


def test_a_change_whose_turn_does_not_come_is_refused_in_time(url: str) -> None:
    """Even while the change before it is stuck; the one that was refused does not happen later either."""

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=0.2) as store:
            begun, go_on = asyncio.Event(), asyncio.Event()

            async def stuck(connection: AsyncConnection) -> None:
                begun.set()
                await go_on.wait()

            before = asyncio.create_task(store.write(stuck))
            await begun.wait()
            with pytest.raises(StoreBusyError, match="too many changes wait"):
                await store.write(put(1))
            go_on.set()
            await before
            await store.write(put(2))
            assert await store.read(subjects) == {person(2)}

    run(scene())


def test_what_a_change_has_read_still_holds_when_it_writes(url: str) -> None:
    """Two stores that each count and then add take turns: neither misses what the other has just added."""
    assert run(counted(url)) == set(range(40))


def test_a_change_whose_failure_was_passed_over_is_not_acknowledged(url: str, kind: str) -> None:
    """PostgreSQL answers the COMMIT of a failed transaction with success; SQLite undoes the statement alone."""

    async def job(connection: AsyncConnection) -> None:
        await put(1)(connection)
        with suppress(sa.exc.DBAPIError):
            await connection.execute(sa.text("INSERT INTO suppression (scope) VALUES ('*')"))

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            if kind == "sqlite":
                await store.write(job)
            else:
                with pytest.raises(StoreError, match="of which nothing has happened"):
                    await store.write(job)
            assert await store.read(subjects) == ({person(1)} if kind == "sqlite" else set())

    run(scene())
