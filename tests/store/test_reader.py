"""Look-ups of the mail path: complete, in time, and never from the wrong file."""

import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.model import Basis, Consent, ConsentState, Reason, Suppression
from consentmilter.store import consents, suppressions
from consentmilter.store.chunks import Source, put_rows
from consentmilter.store.reader import Reader
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.pool import Pool
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
        for row in rows:
            await suppressions.put(connection, row)

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(job)

    run(scene())


def consented(url: str, *rows: Consent) -> None:
    """Have these consents in the store."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(lambda connection: consents.put(connection, rows))

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
    with shell(Path(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE suppression SET asserted_again = 1 WHERE batch = 'b1'")
    with reading(url) as reader:
        assert reader.look_up([person(1), person(2)]).suppressions == [full, bare]


def test_consents_come_with_the_suppressions_in_one_statement(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every field, and nobody else's."""
    full = Consent(
        person(1), "acme.news", ConsentState.GRANTED, Basis.CONTRACT, NOON, True, "cli:alice", "b1", "grüße@x.example"
    )
    bare = Consent(person(1), "*", ConsentState.WITHDRAWN, Basis.CONSENT, NOON, False, "click")
    other = replace(bare, subject=person(2))
    repeated = replace(suppressed(1), asserted_again=True, repeated=NOON + timedelta(hours=1))
    fill(url, suppressed(1), replace(suppressed(1), created=NOON + timedelta(hours=1)))
    consented(url, full, bare, other)
    statements = []
    fetch = Pool.fetch

    def counted(pool: Pool, statement: str, values: Sequence[object], deadline: float) -> list[Any]:
        statements.append(statement)
        return fetch(pool, statement, values, deadline)

    monkeypatch.setattr(Pool, "fetch", counted)
    with reading(url) as reader:
        found = reader.look_up([person(1), person(3), b"d" * 32])
        assert found.suppressions == [repeated]
        assert sorted(found.consents, key=lambda row: row.stream) == [bare, full]
        assert len(statements) == 1
        assert reader.look_up([b"d" * 32]).consents == []


@pytest.mark.parametrize(("column", "message"), [("state", "unknown state 'x'"), ("basis", "unknown basis 'x'")])
def test_a_consent_that_this_program_does_not_understand_is_an_error(url: str, column: str, message: str) -> None:
    """To leave a withdrawal out would let mail through."""
    consented(url, Consent(person(1), "acme", ConsentState.WITHDRAWN, Basis.CONSENT, NOON, False, "click"))
    with shell(Path(url.removeprefix("sqlite:///"))) as connection:
        connection.execute(f"UPDATE consent SET {column} = 'x'")
    with (
        reading(url) as reader,
        pytest.raises(StoreError, match=f"the consent of {person(1).hex()} to acme: .*{message}"),
    ):
        reader.look_up([person(1)])


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
        assert {(row.scope, row.reason) for row in reader.look_up([person(1)]).suppressions} == {
            (row.scope, row.reason) for row in rows
        }


@pytest.mark.parametrize("count", [1, 3, 4, 5, 16, 17, 64, 65, 999, 1000, 1001, 2500])
def test_any_number_of_subjects_is_answered_with_each_row_once(url: str, count: int) -> None:
    """Around each size of statement, with subjects repeated, and with strangers between."""
    present = range(0, count, 2)
    fill(url, *(suppressed(number) for number in present))
    asked = [person(number) for number in range(count)]
    with reading(url) as reader:
        found = reader.look_up([*asked, *asked[:3], asked[-1]]).suppressions
    assert sorted(row.subject for row in found) == [person(number) for number in present]


def test_nobody_is_found_for_no_subjects(url: str) -> None:
    """A message whose every recipient was refused already."""
    with reading(url) as reader:
        assert reader.look_up([]).suppressions == []


def test_a_change_is_seen_by_the_next_look_up(url: str) -> None:
    """The click comes back into the same list in the same second."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with reading(url) as reader:
                for number in range(20):
                    assert reader.look_up([person(number)]).suppressions == []
                    await store.write(put(number))
                    assert len(reader.look_up([person(number)]).suppressions) == 1

    run(scene())


def test_a_look_up_neither_waits_for_a_change_nor_sees_half_of_it(url: str) -> None:
    """While an import is in the middle of a chunk."""

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            with reading(url, deadline=0.5) as reader:

                async def job(connection: AsyncConnection) -> None:
                    await put(1)(connection)
                    assert reader.look_up([person(1)]).suppressions == []

                await store.write(job)
                assert len(reader.look_up([person(1)]).suppressions) == 1

    run(scene())


def test_many_threads_look_up_at_once(url: str) -> None:
    """More threads than there are pooled connections, each connection used from any of them."""
    fill(url, *(suppressed(number) for number in range(100)))
    with reading(url) as reader, ThreadPoolExecutor(24) as threads:
        barrier = threading.Barrier(24)

        def look_up(start: int) -> list[int]:
            barrier.wait()
            return [len(reader.look_up([person(number % 150)]).suppressions) for number in range(start, start + 150)]

        for counts in threads.map(look_up, range(24)):
            assert sum(counts) == 100


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


def test_a_closed_reader_still_answers_a_late_session(url: str) -> None:
    """After a reload, sessions may end with the old reader; it keeps no connection then."""
    fill(url, suppressed(1))
    reader = Reader(url, KEYS, 2.0)
    reader.look_up([person(1)])
    reader.close()
    assert len(reader.look_up([person(1)]).suppressions) == 1
    assert not reader._pool._idle


# Hash lists


def listed(url: str, *digests: bytes, list_name: str = "partner") -> None:
    """Have these digests on a partner's list."""

    async def job(connection: AsyncConnection) -> int:
        source = Source(f"list:{list_name}", "b1", int(NOON.timestamp()), list_name)
        return await put_rows(connection, source, [(each, "*", "imported", None, None, None) for each in digests])

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            assert await store.write(job) == len(digests)

    run(scene())


def test_a_digest_on_a_hash_list_is_found_by_the_same_look_up(url: str) -> None:
    """Of any length; its row names no address, and says which list it is on."""
    keys = [b"m" * 16, b"s" * 20, b"h" * 32]
    listed(url, *keys)
    fill(url, suppressed(1))
    with reading(url) as reader:
        found = reader.look_up([person(1), person(2), *keys, b"x" * 32]).suppressions
        assert {row.subject: (row.origin, row.batch, row.address) for row in found} == {
            person(1): ("test", None, None)
        } | dict.fromkeys(keys, ("list:partner", "b1", None))
        assert [row.subject for row in reader.look_up([keys[2]]).suppressions] == [keys[2]]


@pytest.mark.parametrize("count", [1, 4, 5, 60, 400])
def test_any_number_of_digests_is_answered_with_each_row_once(url: str, count: int) -> None:
    """Also beyond what one statement takes, among the keys of as many people."""
    digests = [
        bytes([length]) * (length - 4) + number.to_bytes(4) for number in range(count) for length in (16, 20, 32)
    ]
    listed(url, *digests)
    with reading(url) as reader:
        found = reader.look_up([*map(person, range(count)), *digests, *digests[:3]]).suppressions
    assert sorted(row.subject for row in found) == sorted(digests)


@pytest.mark.parametrize("column", ["created", "expires"])
@pytest.mark.parametrize("time", [10**15, -(10**15), "'noon'"])
def test_a_time_that_no_calendar_has_is_an_error_that_names_the_row(
    url: str, database: Path, column: str, time: object
) -> None:
    """To leave the row out would let mail through."""
    fill(url, suppressed(1))
    with shell(database) as connection:
        connection.execute(f"UPDATE suppression SET {column} = {time}")
    with reading(url) as reader, pytest.raises(StoreError, match=f"suppression of {person(1).hex()} in .: .* time"):
        reader.look_up([person(1)])


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
        (connection,) = reader._pool._idle
        reader._pool.fetch("SELECT 1", (), deadline=0.5)
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
        assert isinstance(reader._pool._idle[0]._driver, _NoCallbacks)


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
        reader._pool._idle[0].close()
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


def test_a_reason_that_this_program_does_not_know_is_an_error(url: str, database: Path) -> None:
    """Written by a newer program; leaving the row out would let mail through."""
    fill(url, suppressed(1))
    with shell(database) as connection:
        connection.execute("UPDATE suppression SET reason = 'solar_flare'")
    with reading(url) as reader, pytest.raises(StoreError, match="unknown reason 'solar_flare'"):
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
