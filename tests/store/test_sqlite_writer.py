"""The asynchronous store in a file: its lock, its write-ahead log, and files that come and go."""

import asyncio
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.store.sqlite import sessions
from consentmilter.store.sqlite.lock import held
from consentmilter.store.writer import Store
from lab.process import wait_for
from tests.store.support import KEYS, make_store, person, put, run, seen, shell, subjects


def wal(database: Path) -> int:
    """Octets of the write-ahead log."""
    file = database.with_name(f"{database.name}-wal")
    return file.stat().st_size if file.exists() else 0


def test_without_the_lock_a_change_is_refused_in_time_and_has_not_happened(url: str, database: Path) -> None:
    """Not later either, when the lock is free again."""

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=0.2) as store:
            with held(database, 1):
                start = time.monotonic()
                outcomes = await asyncio.gather(store.write(put(1)), store.write(put(2)), return_exceptions=True)
                assert time.monotonic() - start < 2.0
            assert [type(outcome) for outcome in outcomes] == [StoreBusyError, StoreBusyError]
            await store.write(put(3))
            assert await store.read(subjects) == {person(3)}

    run(scene())


def test_a_database_that_another_program_writes_to_is_busy(url: str, database: Path) -> None:
    """One that knows nothing of our lock, such as the sqlite3 shell."""

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=0.2) as store:
            with shell(database) as connection:
                connection.execute("BEGIN IMMEDIATE")
                start = time.monotonic()
                with pytest.raises(StoreBusyError, match="database is locked"):
                    await store.write(put(1))
                assert time.monotonic() - start < 2.0
                connection.execute("ROLLBACK")
            await store.write(put(2))
            assert await store.read(subjects) == {person(2)}

    run(scene())


def test_a_change_has_the_database_to_itself_from_its_beginning(url: str, database: Path) -> None:
    """What it has read still holds when it writes, even beside a program that knows nothing of our lock."""

    async def job(connection: AsyncConnection) -> None:
        seen = await subjects(connection)
        with shell(database) as other:
            other.execute("PRAGMA busy_timeout = 1")
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                other.execute("INSERT INTO key_check VALUES ('x', x'00')")
        await put(len(seen))(connection)

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(job)
            assert await store.read(subjects) == {person(0)}

    run(scene())


def test_a_store_that_cannot_be_opened_leaves_nothing_running(url: str, database: Path) -> None:
    """No thread that would report to an event loop that is closed by then, however often it is tried."""

    async def open_it() -> None:
        async with Store.open(url, KEYS):
            pass

    before = threading.active_count()
    database.unlink()
    os.mknod(database, 0o600 | stat.S_IFSOCK)  # is there, and cannot be opened, not even by root
    for _ in range(20):
        with pytest.raises(StoreError, match="unable to open database file"):
            run(open_it())
        wait_for(lambda: threading.active_count() <= before, "the end of its threads")


def test_a_writing_connection_that_cannot_be_set_up_is_closed(url: str, database: Path) -> None:
    """Once the other program is done, the store writes as if nothing had been."""

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=0.1) as store:
            with shell(database) as connection:
                connection.execute("PRAGMA journal_mode = DELETE")
                connection.execute("BEGIN EXCLUSIVE")
                before = threading.active_count()
                for _ in range(3):
                    with pytest.raises(StoreBusyError, match="database is locked"):
                        await store.write(put(1))
                while threading.active_count() > before:  # noqa: ASYNC110 - threads end without an event; the test has a limit
                    await asyncio.sleep(0.01)
                connection.execute("ROLLBACK")
            await store.write(put(2))
            assert await store.read(subjects) == {person(2)}

    run(scene())


@pytest.mark.parametrize("way", ["removed", "replaced"])
def test_nothing_is_acknowledged_into_a_deleted_file(url: str, database: Path, tmp_path: Path, way: str) -> None:
    """A missing database is told; a new one at the same place gets the change."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))
            (tmp_path / "other").mkdir()
            make_store(tmp_path / "other")
            for suffix in ("", "-wal", "-shm"):
                database.with_name(database.name + suffix).rename(tmp_path / f"old{suffix}")
            if way == "removed":
                for work in (store.write, store.read):
                    with pytest.raises(StoreSetupError, match=r"no database at .* run `consentmilter init`"):
                        await work(put(2))
            (tmp_path / "other" / "consent.db").rename(database)
            assert await store.read(subjects) == set()
            await store.write(put(3))
        with shell(database) as connection:
            assert connection.execute("SELECT subject FROM suppression").fetchall() == [(person(3),)]

    run(scene())


def test_a_replaced_file_is_checked_before_it_is_used(url: str, database: Path, tmp_path: Path) -> None:
    """A restore of another system's database does not get this system's changes."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))
            for suffix in ("", "-wal", "-shm"):
                database.with_name(database.name + suffix).rename(tmp_path / f"old{suffix}")
            make_store(tmp_path)
            with shell(database) as connection:
                connection.execute("UPDATE key_check SET value = x'00'")
            for work in (store.write, store.read):
                with pytest.raises(StoreSetupError, match="another key '1'"):
                    await work(subjects)

    run(scene())


def test_closing_waits_for_the_lock(url: str, database: Path) -> None:
    """SQLite checkpoints as the last connection closes, and only the holder of the lock may."""
    released: list[float] = []

    def hold() -> None:
        with held(database, 1):
            holding.set()
            time.sleep(0.3)
            released.append(time.monotonic())

    async def scene() -> float:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))
            holder.start()
            await asyncio.to_thread(holding.wait, 5)
        return time.monotonic()

    holding, holder = threading.Event(), threading.Thread(target=hold)
    closed = run(scene())
    holder.join()
    assert closed >= released[0]


def test_a_lock_that_stays_taken_does_not_keep_a_store_open(url: str, database: Path) -> None:
    """A frozen process must not stop another from ending."""

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=0.2) as store:
            await store.write(put(1))
            stack.enter_context(held(database, 1))

    with ExitStack() as stack:
        start = time.monotonic()
        run(scene())
        assert time.monotonic() - start < 3.0


async def _fill(connection: AsyncConnection) -> None:
    """A job that suppresses a thousand random people, which touches a few hundred pages."""
    await connection.execute(
        sa.text(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)"
            " INSERT INTO suppression (subject, scope, reason, origin, asserted_again, created)"
            " SELECT randomblob(16), '*', 'unsubscribe', 'test', 0, 0 FROM numbers"
        )
    )


@contextmanager
def _overlapping_reads(database: Path) -> Iterator[None]:
    """Have reads of some 10 ms each go on, of which the next always begins before the last one ends."""
    over = threading.Event()

    def read() -> None:
        with shell(database) as new, shell(database) as old:
            while not over.wait(0.01):
                new.execute("BEGIN")
                new.execute("SELECT count(*) FROM suppression").fetchall()
                if old.in_transaction:
                    old.execute("COMMIT")
                new, old = old, new  # noqa: PLW2901 - the two take turns

    reading = threading.Thread(target=read)
    reading.start()
    try:
        yield
    finally:
        over.set()
        reading.join()


def _grow(url: str, database: Path) -> int:
    """The largest WAL during many changes beside reads that overlap."""

    async def scene() -> int:
        largest = 0
        async with Store.open(url, KEYS) as store:
            with _overlapping_reads(database):
                for _ in range(40):
                    await store.write(_fill)
                    largest = max(largest, wal(database))
        return largest

    return run(scene())


def test_the_wal_stays_bounded_under_readers_that_overlap(
    url: str, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own checkpoints wait for nobody and so never find a moment without a reader; the writer makes one."""
    monkeypatch.setattr(sessions, "WAL_LIMIT", 500_000)
    monkeypatch.setattr(sessions, "_CHECKPOINT_PAUSE", 0.0)
    assert _grow(url, database) < 2_000_000


def test_without_that_the_wal_grows(url: str, database: Path) -> None:
    """Which shows that the test above can fail."""
    assert _grow(url, database) > 2_000_000


def test_a_pinned_reader_holds_up_no_change(url: str, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The WAL cannot start over under it, which costs a short wait now and then, never a change."""
    monkeypatch.setattr(sessions, "WAL_LIMIT", 1)

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(0))
            with shell(database) as reader:
                reader.execute("BEGIN")
                assert reader.execute("SELECT count(*) FROM suppression").fetchone() == (1,)
                start = time.monotonic()
                for number in range(1, 30):
                    await store.write(put(number))
                assert time.monotonic() - start < 3.0
                assert reader.execute("SELECT count(*) FROM suppression").fetchone() == (1,)
            assert len(await store.read(subjects)) == 30

    run(scene())


def test_a_change_waits_its_turn_behind_another_process(url: str, database: Path) -> None:
    """And goes through as soon as the lock is free."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with held(database, 1):
                change = asyncio.create_task(store.write(put(1)))
                await asyncio.sleep(0.05)
                assert not change.done()
            await change

    run(scene())


def test_closing_checkpoints(url: str, database: Path) -> None:
    """So that the database is one file again."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))

    run(scene())
    assert not database.with_name("consent.db-wal").exists()
    assert seen(url, "SELECT count(*) FROM suppression") == [(1,)]
