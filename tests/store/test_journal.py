"""The journal: never in the way, and what is lost is told."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from consentmilter.model import Mode, Verdict
from consentmilter.store import background as module
from consentmilter.store.journal import Journal, JournalRow, read_journal
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import JOURNAL
from consentmilter.store.schema import journal as table
from consentmilter.store.sqlite.lock import held
from tests.service.emptied import emptied_store
from tests.store.stores import both_stores, new_journal
from tests.store.support import NOON, child, finished, person, shell, wait_for

ROW = JournalRow(at=NOON, ref="r1", verdict=Verdict.REJECT, mode=Mode.ENFORCE)

PUT = """
import sys
from dataclasses import replace
from consentmilter.store.journal import Journal
from tests.store.test_journal import ROW
journal = Journal(sys.argv[1], on_trouble=lambda message: None)
for number in range(200):
    journal.put(replace(ROW, ref=f"{sys.argv[2]}-{number}"))
print("put", flush=True)
if sys.argv[3] == "close":
    journal.close(10)
else:
    sys.stdin.read()
"""


@pytest.fixture
def journal_url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty journal; a database of a server is emptied, and not made, for each test."""
    return emptied_store(kind, tmp_path) if kind != "sqlite" else new_journal(kind, tmp_path)


@contextmanager
def writing(url: str, **options: Any) -> Iterator[tuple[Journal, list[str]]]:
    """An open journal, and what troubles it told of."""
    troubles: list[str] = []
    journal = Journal(url, troubles.append, **options)
    try:
        yield journal, troubles
    finally:
        journal.close()


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Let nobody write to the journal."""
    if url.startswith("sqlite"):
        with held(Path(url.removeprefix("sqlite:///")), 1):
            yield
    else:
        with psycopg.connect(url) as connection:
            connection.execute("LOCK TABLE journal IN SHARE MODE")
            yield


@both_stores
def test_a_row_comes_back_as_it_was_put(journal_url: str) -> None:
    """Every field, and a bare row too."""
    full = JournalRow(
        NOON, "r2", "would-reject", Mode.OBSERVE, "unsubscribe", "4XyZ", "newsletter", "192.0.2.7", "submission",
        "acme.news", "marketing", person(1), "acme", "claimed acme.security",
    )  # fmt: skip
    with writing(journal_url) as (journal, troubles):
        journal.put(ROW)
        journal.put(full)
    assert read_journal(journal_url) == [ROW, full]
    assert not troubles


def test_a_row_has_the_columns_of_the_table() -> None:
    """Whoever adds a column adds a field."""
    assert {field.name for field in fields(JournalRow)} == set(table.c.keys()) - {"id"}


def test_rows_are_written_within_half_a_second(journal_url: str) -> None:
    """Without anybody closing the journal."""
    with writing(journal_url) as (journal, _):
        journal.put(ROW)
        start = time.monotonic()
        wait_for(lambda: read_journal(journal_url))
        assert time.monotonic() - start < 1.0


@both_stores
def test_reading_chooses_by_ref_by_time_and_the_newest(journal_url: str) -> None:
    """The oldest first, as a log reads."""
    rows = [replace(ROW, ref=f"r{number}", at=NOON + timedelta(minutes=number)) for number in range(6)]
    with writing(journal_url) as (journal, _):
        for row in rows:
            journal.put(row)
    assert read_journal(journal_url, limit=2) == rows[4:]
    assert read_journal(journal_url, ref="r3") == [rows[3]]
    assert read_journal(journal_url, since=NOON + timedelta(minutes=4)) == rows[4:]
    assert read_journal(journal_url, ref="r3", since=NOON + timedelta(minutes=4)) == []


@both_stores
def test_octets_that_are_no_text_are_written_escaped(journal_url: str) -> None:
    """A login that the mail server hands over as surrogates does not cost the rows beside it."""
    with writing(journal_url) as (journal, troubles):
        journal.put(ROW)
        journal.put(replace(ROW, login="\udcff", detail="a\0b"))
    (_, odd) = read_journal(journal_url)
    assert (odd.login, odd.detail) == ("\\udcff", "a\\x00b")
    assert not troubles


@both_stores
def test_a_row_that_cannot_be_written_does_not_stop_those_after_it(
    journal_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours; it is told, and counted as lost."""
    monkeypatch.setattr(module, "_REPORT_EVERY", 0.0)
    with writing(journal_url) as (journal, troubles):
        journal.put(replace(ROW, at=None))  # type: ignore[arg-type]  # a fault of ours
        wait_for(lambda: troubles)
        journal.put(replace(ROW, ref=None))  # type: ignore[arg-type]  # found by the database
        wait_for(lambda: len(troubles) == 2)
        journal.put(ROW)
    assert read_journal(journal_url) == [ROW]
    assert len(troubles) == 2
    assert "rows lost: 1; AttributeError" in troubles[0]
    assert "rows lost: 1; " in troubles[1]
    assert re.search("not.null", troubles[1], re.IGNORECASE)


@both_stores
def test_putting_never_waits_and_overflow_is_counted_and_told(journal_url: str) -> None:
    """While the journal is locked for long; what fits is written afterwards."""
    with writing(journal_url, capacity=100) as (journal, troubles), locked(journal_url):
        journal.put(ROW)
        wait_for(lambda: troubles)
        start = time.monotonic()
        for _ in range(5000):
            journal.put(ROW)
        assert time.monotonic() - start < 0.5
    kept = len(read_journal(journal_url))
    assert 100 <= kept < 1000
    assert re.search("locked by another process|lock timeout", troubles[0])
    assert "more came in than could be written" in troubles[-1]
    assert sum(int(trouble.split("rows lost: ")[1].split(";")[0]) for trouble in troubles) >= 4800


@both_stores
def test_a_locked_journal_is_written_once_it_is_free(journal_url: str) -> None:
    """Nothing is lost for waiting, nothing is written twice."""
    with writing(journal_url) as (journal, troubles):
        with locked(journal_url):
            journal.put(ROW)
            wait_for(lambda: troubles)
            assert read_journal(journal_url) == []
        wait_for(lambda: read_journal(journal_url))
        journal.put(replace(ROW, ref="r2"))
    assert [row.ref for row in read_journal(journal_url)] == ["r1", "r2"]
    assert len(troubles) == 1


def test_a_journal_that_was_moved_away_is_told_and_a_new_one_is_used(journal_url: str, tmp_path: Path) -> None:
    """Nothing is written into a file that nobody will read."""
    path = Path(journal_url.removeprefix("sqlite:///"))
    with writing(journal_url) as (journal, troubles):
        journal.put(ROW)
        wait_for(lambda: read_journal(journal_url))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).rename(tmp_path / f"old{suffix}")
        journal.put(replace(ROW, ref="r2"))
        wait_for(lambda: troubles)
        assert "no database at" in troubles[0]
        migrate(journal_url, JOURNAL)
        wait_for(lambda: read_journal(journal_url))
    assert [row.ref for row in read_journal(journal_url)] == ["r2"]


def test_trouble_in_telling_of_trouble_is_survived(journal_url: str) -> None:
    """The callback is somebody else's code."""

    def fail(message: str) -> None:
        told.set()
        raise ZeroDivisionError

    told = threading.Event()
    journal = Journal(journal_url, fail)
    with locked(journal_url):
        journal.put(ROW)
        assert told.wait(5)
    wait_for(lambda: read_journal(journal_url))
    journal.close()


@both_stores
def test_what_is_put_after_closing_is_lost(journal_url: str) -> None:
    """A late callback gets no error for it."""
    with writing(journal_url) as (journal, _):
        journal.close()
        journal.put(ROW)
    assert read_journal(journal_url) == []


@both_stores
def test_closing_ends_in_time_and_tells_what_it_could_not_write(journal_url: str) -> None:
    """A worker that drains is not held up by a locked journal."""
    with locked(journal_url), writing(journal_url) as (journal, troubles):
        journal.put(ROW)
        journal.put(ROW)
        start = time.monotonic()
        journal.close(0.1)
        assert time.monotonic() - start < 1.5
        assert "rows lost: 2" in troubles[-1]


def test_processes_write_one_journal_at_once(journal_url: str) -> None:
    """All rows of all workers are there."""
    with child(PUT, journal_url, "a", "close") as one, child(PUT, journal_url, "b", "close") as other:
        finished(one)
        finished(other)
    refs = [row.ref for row in read_journal(journal_url)]
    assert sorted(refs) == sorted(f"{name}-{number}" for name in "ab" for number in range(200))


def test_a_kill_loses_only_what_had_just_come_in(journal_url: str) -> None:
    """The journal is whole, and what was written is there."""
    with child(PUT, journal_url, "a", "wait") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "put\n"
        wait_for(lambda: len(read_journal(journal_url)) == 200)
    with shell(Path(journal_url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("SELECT count(*) FROM journal").fetchone() == (200,)
