"""Look-ups of the mail path in a database file: in time, and never from the wrong file."""

import itertools
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.store.reader import Reader
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.pool import Pool
from tests.store.reading import fill, reading
from tests.store.support import KEYS, child, make_store, person, shell, suppressed

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


def pool_of(reader: Reader) -> Pool:
    """The connections of a reader of a file."""
    assert isinstance(reader._pool, Pool)
    return reader._pool


@contextmanager
def locked_exclusively(database: Path) -> Iterator[None]:
    """The database as nobody else can open it: by a connection that keeps it for itself."""
    with shell(database) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("INSERT INTO key_check VALUES ('x', x'00')")
        yield
        connection.execute("ROLLBACK")


def test_a_reader_can_be_made_before_its_store(tmp_path: Path) -> None:
    """Mail is deferred until the store is there, without a restart."""
    path = tmp_path / "consent.db"
    clock = [0.0]
    with Reader(f"sqlite:///{path}", KEYS, 2.0, clock=lambda: clock[0]) as reader:
        with pytest.raises(StoreSetupError, match=r"no database at .*: run `consentmilter init`"):
            reader.look_up([person(1)])
        assert not path.exists()
        make_store(tmp_path)
        clock[0] += 1.0
        assert reader.look_up([person(1)]).suppressions == []


# Deadlines


def test_a_locked_database_is_given_up_at_the_deadline(url: str, database: Path) -> None:
    """Connecting included."""
    with locked_exclusively(database), reading(url, deadline=0.3) as reader:
        start = time.monotonic()
        with pytest.raises(StoreBusyError, match="database is locked"):
            reader.look_up([person(1)])
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
        reader.look_up([person(1)])
        (connection,) = pool_of(reader)._idle
        pool_of(reader).fetch("SELECT 1", (), deadline=0.5)
        assert connection._driver.execute("PRAGMA busy_timeout").fetchone() == (500,)
        reader.look_up([person(1)])
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
        assert reader.look_up([person(1)]).suppressions == []
        assert isinstance(pool_of(reader)._idle[0]._driver, _NoCallbacks)


def test_a_large_look_up_has_one_deadline(url: str) -> None:
    """Not one for each of its statements."""
    ticks = itertools.count()
    with Reader(url, KEYS, 20.0, clock=lambda: float(next(ticks))) as reader:
        assert reader.look_up([person(1)]).suppressions == []
        with pytest.raises(StoreBusyError, match="no answer within the deadline"):
            reader.look_up([person(number) for number in range(50_000)])


def test_after_a_failure_look_ups_fail_at_once_and_recover_by_themselves(url: str, database: Path) -> None:
    """With the cause of the failure told; the store is back a second later."""
    clock = [0.0]
    with Reader(url, KEYS, 0.2, clock=lambda: clock[0]) as reader:
        database.rename(database.with_name("away"))
        with pytest.raises(StoreSetupError):
            reader.look_up([person(1)])
        database.with_name("away").rename(database)
        with pytest.raises(StoreError, match="given a rest after a failure: there is no database at"):
            reader.look_up([person(1)])
        clock[0] += 1.0
        assert reader.look_up([person(1)]).suppressions == []
        assert reader.look_up([person(1)]).suppressions == []


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
        assert len(reader.look_up([person(1)]).suppressions) == 1
        _swap(database, tmp_path, new=False)
        with pytest.raises(StoreSetupError, match="no database"):
            reader.look_up([person(1)])


def test_a_replaced_database_is_read_from_the_next_look_up_on(url: str, database: Path, tmp_path: Path) -> None:
    """After a restore, say."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        assert len(reader.look_up([person(1)]).suppressions) == 1
        _swap(database, tmp_path, new=True)
        assert [row.subject for row in reader.look_up([person(1), person(2)]).suppressions] == [person(2)]


def test_without_looking_at_the_file_the_old_one_would_answer(
    url: str, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which shows that the tests above can fail."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        reader.look_up([person(1)])
        same = files.identity(database)
        _swap(database, tmp_path, new=True)
        monkeypatch.setattr(files, "identity", lambda _path: same)
        assert [row.subject for row in reader.look_up([person(1), person(2)]).suppressions] == [person(1)]


def test_a_replaced_database_of_other_keys_is_refused(url: str, database: Path, tmp_path: Path) -> None:
    """Each connection is checked as it is opened."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        reader.look_up([person(1)])
        _swap(database, tmp_path, new=True)
        with shell(database) as connection:
            connection.execute("UPDATE key_check SET value = x'00'")
        with pytest.raises(StoreSetupError, match="another key '1'"):
            reader.look_up([person(1)])


def test_a_dead_connection_is_replaced_within_the_call(url: str) -> None:
    """One retry, on a new connection; the caller notices nothing."""
    fill(url, suppressed(1))
    with reading(url) as reader:
        reader.look_up([person(1)])
        pool_of(reader)._idle[0].close()
        assert len(reader.look_up([person(1)]).suppressions) == 1


def test_a_damaged_database_is_an_error(url: str, database: Path) -> None:
    """Not an empty answer."""
    fill(url, *(suppressed(number) for number in range(2000)))
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with reading(url) as reader, pytest.raises(StoreError, match="malformed"):
        reader.look_up([person(1)])


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
        assert len(reader.look_up([person(number) for number in range(5)]).suppressions) == 3
    assert (database.read_bytes(), wal.read_bytes()) == before


def test_a_reader_that_could_write_would(url: str, database: Path) -> None:
    """Which shows that the test above can fail."""
    _killed_before_a_checkpoint(url)
    before = database.read_bytes()
    with shell(database) as connection:
        assert connection.execute("SELECT count(*) FROM suppression").fetchone() == (3,)
    assert database.read_bytes() != before
    assert not database.with_name("consent.db-wal").exists()
