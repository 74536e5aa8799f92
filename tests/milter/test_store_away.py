"""The store cannot answer: marketing mail is deferred within the deadline, exempt mail goes unverified, personal mail
never asks; and once the store is back, all is as before without a restart.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path

import pytest

from lab.milter import Milter
from lab.process import wait_for
from tests.milter.conftest import Breakable, Start
from tests.milter.site import CONFIG, NEWSLETTER, SECURITY, SENDER, assert_no_fault, login, session

DEADLINE, SLACK = 0.5, 1.0
TRIES = 5
"""A machine that is busy elsewhere may answer late; one of so many times it comes to it."""

Fault = Callable[[Milter], AbstractContextManager[None]]


def _rename(old: Path, new: Path) -> None:
    """Move a database with what belongs to it: a WAL beside another database would be taken for that one's."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            old.with_name(old.name + suffix).rename(new.with_name(new.name + suffix))


@contextmanager
def _moved(milter: Milter) -> Iterator[Path]:
    """The database lies elsewhere."""
    elsewhere = milter.store_file.with_name("elsewhere.db")
    _rename(milter.store_file, elsewhere)
    try:
        yield elsewhere
    finally:
        for suffix in ("", "-wal", "-shm"):
            milter.store_file.with_name(milter.store_file.name + suffix).unlink(missing_ok=True)
        _rename(elsewhere, milter.store_file)


def _copied(milter: Milter, change: str) -> Path:
    """A copy of the database with a change, in a file without a WAL."""
    copy = milter.store_file.with_name("copy.db")
    with closing(sqlite3.connect(milter.store_file)) as database, closing(sqlite3.connect(copy)) as other, other:
        database.backup(other)
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute(change)
    return copy


@contextmanager
def _closed(milter: Milter) -> Iterator[Path]:
    """The database lies elsewhere, and no worker has it open any more, since they found another in its place."""
    with _moved(milter) as elsewhere:
        milter.store_file.touch()
        assert _answers(milter) == [451, 451]
        yield elsewhere


@contextmanager
def away(milter: Milter) -> Iterator[None]:
    """The file was moved away under the running milter, which has it open."""
    with _moved(milter):
        yield


@contextmanager
def replaced_by_nothing(milter: Milter) -> Iterator[None]:
    """An empty file stands in its place."""
    with _moved(milter):
        milter.store_file.touch()
        yield


@contextmanager
def replaced_by_rubbish(milter: Milter) -> Iterator[None]:
    """Something else stands in its place."""
    with _moved(milter):
        milter.store_file.write_bytes(b"no database at all" * 1000)
        yield


@contextmanager
def replaced_by_one_of_other_keys(milter: Milter) -> Iterator[None]:
    """A list that was made with another key file, in which every look-up would miss."""
    other = _copied(milter, "UPDATE key_check SET value = x'00'")
    with _moved(milter):
        other.rename(milter.store_file)
        yield


@contextmanager
def locked(milter: Milter) -> Iterator[None]:
    """Somebody keeps the database, as it is, to themselves."""
    with _closed(milter):
        pass
    with closing(sqlite3.connect(milter.store_file, isolation_level=None)) as database:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("BEGIN EXCLUSIVE")
        yield


@contextmanager
def locked_without_wal(milter: Milter) -> Iterator[None]:
    """A tool switched it back to a rollback journal, and writes."""
    with _closed(milter) as elsewhere, closing(sqlite3.connect(elsewhere)) as database:
        assert database.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with closing(sqlite3.connect(milter.store_file, isolation_level=None)) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield


FAULTS = [
    away,
    replaced_by_nothing,
    replaced_by_rubbish,
    replaced_by_one_of_other_keys,
    locked,
    locked_without_wal,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_marketing_waits_and_all_else_goes(start: Start, fault: Fault) -> None:
    """Twice: when the store is asked in vain, and within the second in which it is given a rest."""
    milter = start(milter={**CONFIG["milter"], "deadline": "500ms"})
    milter.suppress("bob@example.org")
    assert _answers(milter) == [250, 550]
    with fault(milter):
        _wait_for_a_probe(milter)
        for _ in range(2):
            _assert_fails_safe(milter)
    wait_for(lambda: _answers(milter) == [250, 550], "recovery")
    assert_no_fault(milter)


def test_a_store_that_is_taken_for_empty_would_be_noticed(breakable: Breakable) -> None:
    """An opt-out that cannot be read is none."""
    breakable.defects("blind")
    with away(breakable), pytest.raises(AssertionError):
        _assert_fails_safe(breakable)


def _assert_fails_safe(milter: Milter) -> None:
    assert any(_defers_marketing(milter) < DEADLINE + SLACK for _ in range(TRIES))
    with session(milter) as mta:
        mta.message(SENDER, "<ann@example.org>", headers=[NEWSLETTER]).expects(451, "4.3.0")
        mta.message(SENDER, "<bob@example.org>", headers=[SECURITY], macros=login("release-bot")).expects(250)
        assert mta.edits == []
    exempt = milter.decisions()[-1]
    assert (exempt["stream"], exempt["verdict"], exempt["reason"]) == ("acme.security", "accept", "store")
    assert exempt["ref"] in {event["ref"] for event in milter.events("store_unavailable")}
    with session(milter) as mta:
        asked = len(milter.events("store_unavailable"))
        mta.message(SENDER, "<bob@example.org>", macros=login("alice")).expects(250)
        assert len(milter.events("store_unavailable")) == asked


def _defers_marketing(milter: Milter) -> float:
    """How long the answers take for whoever opted out and whoever did not; they are the same."""
    with session(milter) as mta:
        before = time.monotonic()
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<ann@example.org>").expects(451, "4.3.0", "consent cannot be verified now, try again later")
        mta.rcpt("<bob@example.org>").expects(451, "4.3.0")
        return time.monotonic() - before


def _wait_for_a_probe(milter: Milter) -> None:
    """Let the rest pass that the store is given after a failure, so that the next look-up is a real one."""
    before = len(milter.events("store_unavailable"))

    def asked_in_earnest() -> bool:
        assert set(_answers(milter)) == {451}
        return any("given a rest" not in event["cause"] for event in milter.events("store_unavailable")[before:])

    wait_for(asked_in_earnest, "a look-up that is not spared")


def _answers(milter: Milter) -> list[int]:
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        return [mta.rcpt("<ann@example.org>").code, mta.rcpt("<bob@example.org>").code]


def test_a_list_that_was_replaced_is_asked_at_once(start: Start) -> None:
    """Another list put in place of the one that is open is asked from the next look-up on, and back."""
    milter = start()
    milter.suppress("bob@example.org")
    assert _answers(milter) == [250, 550]
    other = _copied(milter, "DELETE FROM suppression")
    with _moved(milter):
        other.rename(milter.store_file)
        assert _answers(milter) == [250, 250]
    assert _answers(milter) == [250, 550]
