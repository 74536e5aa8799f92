"""Look-ups of the mail path: complete, in time, and never from the wrong file."""

import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.model import Reason, Suppression
from consentmilter.store import suppressions
from consentmilter.store.reader import Reader
from consentmilter.store.sqlite import files
from consentmilter.store.writer import Store
from tests.store.support import KEYS, NOON, child, make_store, person, put, run, shell, suppressed

WRITE_AND_WAIT = """
import asyncio, sys
from consentmilter.store.writer import Store
from tests.store.support import KEYS, put
async def main(url):
    async with Store.open(url, KEYS) as store:
        await store.write(put(1, 2, 3))
        print("written", flush=True)
        await asyncio.sleep(60)
asyncio.run(main(sys.argv[1]))
"""


def fill(url: str, *rows: Suppression) -> None:
    """Have these suppressions in the store."""

    async def job(connection: AsyncConnection) -> None:
        await suppressions.put_all(connection, [suppressions.to_row(row) for row in rows])

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(job)

    run(scene())


@contextmanager
def reading(url: str, deadline: float = 2.0) -> Iterator[Reader]:
    """A reader that is closed after the test."""
    with Reader(url, KEYS, deadline) as reader:
        yield reader


@contextmanager
def locked_exclusively(database: Path) -> Iterator[None]:
    """The database as nobody else can open it: by a connection that keeps it for itself."""
    with shell(database) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("INSERT INTO key_check VALUES ('x', x'00')")
        yield
        connection.execute("ROLLBACK")


def test_every_field_comes_back_as_it_was_written(url: str) -> None:
    """Times as aware datetimes in UTC, reasons as reasons."""
    full = Suppression(
        person(1), "acme.news", Reason.COMPLAINT, "import", NOON,
        expires=datetime(2030, 1, 1, tzinfo=UTC), batch="b1", asserted_again=True, address="grüße@x.example",
    )  # fmt: skip
    bare = Suppression(person(2), "*", Reason.LEGAL, "cli:alice", NOON)
    fill(url, full, bare)
    with reading(url) as reader:
        assert reader.suppressions([person(1), person(2)]) == [full, bare]


def test_rows_come_by_subject_alone(url: str) -> None:
    """All scopes and reasons, expired ones too: what they mean is for policy to say."""
    rows = [
        suppressed(1, "*"),
        suppressed(1, "acme", Reason.IMPORTED),
        suppressed(1, "acme"),
        Suppression(person(1), "other", Reason.MANUAL, "test", NOON, expires=datetime(2001, 1, 1, tzinfo=UTC)),
    ]
    fill(url, *rows, suppressed(2))
    with reading(url) as reader:
        assert {(row.scope, row.reason) for row in reader.suppressions([person(1)])} == {
            (row.scope, row.reason) for row in rows
        }


@pytest.mark.parametrize("count", [1, 3, 4, 5, 16, 17, 64, 65, 999, 1000, 1001, 2500])
def test_any_number_of_subjects_is_answered_with_each_row_once(url: str, count: int) -> None:
    """Around each size of statement, with subjects repeated, and with strangers between."""
    present = range(0, count, 2)
    fill(url, *(suppressed(number) for number in present))
    asked = [person(number) for number in range(count)]
    with reading(url) as reader:
        found = reader.suppressions([*asked, *asked[:3], asked[-1]])
    assert sorted(row.subject for row in found) == [person(number) for number in present]


def test_nobody_is_found_for_no_subjects(url: str) -> None:
    """A message whose every recipient was refused already."""
    with reading(url) as reader:
        assert reader.suppressions([]) == []


def test_a_change_is_seen_by_the_next_look_up(url: str) -> None:
    """The click comes back into the same list in the same second."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with reading(url) as reader:
                for number in range(20):
                    assert reader.suppressions([person(number)]) == []
                    await store.write(put(number))
                    assert len(reader.suppressions([person(number)])) == 1

    run(scene())


def test_a_look_up_neither_waits_for_a_change_nor_sees_half_of_it(url: str) -> None:
    """While an import is in the middle of a chunk."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with reading(url, deadline=0.5) as reader:

                async def job(connection: AsyncConnection) -> None:
                    await put(1)(connection)
                    assert reader.suppressions([person(1)]) == []

                await store.write(job)
                assert len(reader.suppressions([person(1)])) == 1

    run(scene())


def test_many_threads_look_up_at_once(url: str) -> None:
    """More threads than there are pooled connections, each connection used from any of them."""
    fill(url, *(suppressed(number) for number in range(100)))
    with reading(url) as reader, ThreadPoolExecutor(24) as threads:
        barrier = threading.Barrier(24)

        def look_up(start: int) -> list[int]:
            barrier.wait()
            return [len(reader.suppressions([person(number % 150)])) for number in range(start, start + 150)]

        for counts in threads.map(look_up, range(24)):
            assert sum(counts) == 100


def test_a_reader_can_be_made_before_its_store(tmp_path: Path) -> None:
    """Mail is deferred until the store is there, without a restart."""
    path = tmp_path / "consent.db"
    clock = [0.0]
    with Reader(f"sqlite:///{path}", KEYS, 2.0, clock=lambda: clock[0]) as reader:
        with pytest.raises(StoreSetupError, match=r"no database at .*: run `consentmilter init`"):
            reader.suppressions([person(1)])
        assert not path.exists()
        make_store(tmp_path)
        clock[0] += 1.0
        assert reader.suppressions([person(1)]) == []


def test_a_closed_reader_still_answers_a_late_session(url: str) -> None:
    """After a reload, sessions may end with the old reader; it keeps no connection then."""
    fill(url, suppressed(1))
    reader = Reader(url, KEYS, 2.0)
    reader.suppressions([person(1)])
    reader.close()
    assert len(reader.suppressions([person(1)])) == 1
    assert not reader._pool._idle


# Deadlines


def test_a_locked_database_is_given_up_at_the_deadline(url: str, database: Path) -> None:
    """Connecting included."""
    with locked_exclusively(database), reading(url, deadline=0.3) as reader:
        start = time.monotonic()
        with pytest.raises(StoreBusyError, match="database is locked"):
            reader.suppressions([person(1)])
        assert 0.2 < time.monotonic() - start < 1.0


def test_the_drivers_own_patience_would_miss_the_deadline(url: str, database: Path) -> None:
    """Which shows that the test above can fail: its lock outlasts any look-up."""
    with locked_exclusively(database):
        start = time.monotonic()
        connection = sqlite3.connect(database, timeout=1.2)
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            connection.execute("SELECT 1 FROM suppression")
        connection.close()
        assert time.monotonic() - start > 1.0


def test_a_connection_waits_no_longer_than_what_is_left(url: str, database: Path) -> None:
    """Also one that was opened when more time was left."""
    fill(url, suppressed(1))
    clock = [0.0]
    with Reader(url, KEYS, 2.0, clock=lambda: clock[0]) as reader:
        reader.suppressions([person(1)])
        (connection,) = reader._pool._idle
        reader._pool.fetch("SELECT 1", (), deadline=0.5)
        assert connection._driver.execute("PRAGMA busy_timeout").fetchone() == (500,)
        reader.suppressions([person(1)])
        assert connection._driver.execute("PRAGMA busy_timeout").fetchone() == (2000,)


class _NoCallbacks(sqlite3.Connection):
    """A connection of the driver's that refuses to call back into Python."""

    def _refuse(self, *_arguments: object, **_options: object) -> None:
        raise AssertionError("SQLite must not call back into Python on the mail path")

    set_progress_handler = set_trace_callback = set_authorizer = _refuse
    create_function = create_aggregate = create_collation = create_window_function = _refuse


def test_a_look_up_has_sqlite_call_nothing_of_pythons(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under libmilter, whose sessions move between threads, such a callback ends the process."""
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_NoCallbacks))
    with reading(url) as reader:
        assert reader.suppressions([person(1)]) == []
        assert isinstance(reader._pool._idle[0]._driver, _NoCallbacks)


def test_a_large_look_up_has_one_deadline(url: str) -> None:
    """Not one for each of its statements."""
    ticks = itertools.count()
    with Reader(url, KEYS, 20.0, clock=lambda: float(next(ticks))) as reader:
        assert reader.suppressions([person(1)]) == []
        with pytest.raises(StoreBusyError, match="no answer within the deadline"):
            reader.suppressions([person(number) for number in range(50_000)])


def test_after_a_failure_look_ups_fail_at_once_and_recover_by_themselves(url: str, database: Path) -> None:
    """With the cause of the failure told; the store is back a second later."""
    clock = [0.0]
    with Reader(url, KEYS, 0.2, clock=lambda: clock[0]) as reader:
        database.rename(database.with_name("away"))
        with pytest.raises(StoreSetupError):
            reader.suppressions([person(1)])
        database.with_name("away").rename(database)
        with pytest.raises(StoreError, match="given a rest after a failure: there is no database at"):
            reader.suppressions([person(1)])
        clock[0] += 1.0
        assert reader.suppressions([person(1)]) == []
        assert reader.suppressions([person(1)]) == []


# Files


def _swap(database: Path, tmp_path: Path, *, new: bool) -> None:
    """Take the database away, and put one there in which nobody is suppressed but person 2."""
    for suffix in ("", "-wal", "-shm"):
        file = database.with_name(database.name + suffix)
        if file.exists():
            file.rename(tmp_path / f"old{suffix}")
    if new:
        fill(make_store(tmp_path), suppressed(2))


def test_a_removed_database_is_noticed_at_the_next_look_up(url: str, database: Path, tmp_path: Path) -> None:
    """Answers from a deleted file would be wrong for ever, and nobody would know."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        assert len(reader.suppressions([person(1)])) == 1
        _swap(database, tmp_path, new=False)
        with pytest.raises(StoreSetupError, match="no database"):
            reader.suppressions([person(1)])


def test_a_replaced_database_is_read_from_the_next_look_up_on(url: str, database: Path, tmp_path: Path) -> None:
    """After a restore, say."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        assert len(reader.suppressions([person(1)])) == 1
        _swap(database, tmp_path, new=True)
        assert [row.subject for row in reader.suppressions([person(1), person(2)])] == [person(2)]


def test_without_looking_at_the_file_the_old_one_would_answer(
    url: str, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which shows that the tests above can fail."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        reader.suppressions([person(1)])
        same = files.identity(database)
        _swap(database, tmp_path, new=True)
        monkeypatch.setattr(files, "identity", lambda _path: same)
        assert [row.subject for row in reader.suppressions([person(1), person(2)])] == [person(1)]


def test_a_replaced_database_of_other_keys_is_refused(url: str, database: Path, tmp_path: Path) -> None:
    """Each connection is checked as it is opened."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        reader.suppressions([person(1)])
        _swap(database, tmp_path, new=True)
        with shell(database) as connection:
            connection.execute("UPDATE key_check SET value = x'00'")
        with pytest.raises(StoreSetupError, match="another key '1'"):
            reader.suppressions([person(1)])


def test_a_dead_connection_is_replaced_within_the_call(url: str) -> None:
    """One retry, on a new connection; the caller notices nothing."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        reader.suppressions([person(1)])
        reader._pool._idle[0].close()
        assert len(reader.suppressions([person(1)])) == 1


def test_a_damaged_database_is_an_error(url: str, database: Path) -> None:
    """Not an empty answer."""
    fill(url, *(suppressed(number) for number in range(2000)))
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with reading(url) as reader, pytest.raises(StoreError, match="malformed"):
        reader.suppressions([person(1)])


def test_a_reason_that_this_program_does_not_know_is_an_error(url: str, database: Path) -> None:
    """Written by a newer program; leaving the row out would let mail through."""
    fill(url, suppressed(1))
    with shell(database) as connection:
        connection.execute("UPDATE suppression SET reason = 'solar_flare'")
    with reading(url) as reader, pytest.raises(StoreError, match="unknown reason 'solar_flare'"):
        reader.suppressions([person(1)])


def _killed_before_a_checkpoint(url: str) -> None:
    """Have changes in the WAL only, and nobody who has the database open."""
    with child(WRITE_AND_WAIT, url) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"


def test_a_reader_that_closes_last_does_not_checkpoint(url: str, database: Path) -> None:
    """Checkpoints belong to the holder of the lock. It reads what is in the WAL all the same."""
    _killed_before_a_checkpoint(url)
    wal = database.with_name("consent.db-wal")
    before = (database.read_bytes(), wal.read_bytes())
    with reading(url) as reader:
        assert len(reader.suppressions([person(number) for number in range(5)])) == 3
    assert (database.read_bytes(), wal.read_bytes()) == before


def test_a_reader_that_could_write_would(url: str, database: Path) -> None:
    """Which shows that the test above can fail."""
    _killed_before_a_checkpoint(url)
    before = database.read_bytes()
    with shell(database) as connection:
        assert connection.execute("SELECT count(*) FROM suppression").fetchone() == (3,)
    assert database.read_bytes() != before
    assert not database.with_name("consent.db-wal").exists()
