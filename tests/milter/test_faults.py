"""What goes wrong inside: a deferral without detail, the cause in the log, and the next message as if nothing were."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from lab.directory import public_directory
from lab.milter import Milter
from lab.process import wait_for
from tests.milter.application import CANARY
from tests.milter.conftest import Breakable, Start
from tests.milter.site import (
    NEWSLETTER,
    QUEUED,
    SENDER,
    assert_no_fault,
    login,
    session,
)

DEFERRED = "4.3.0 consent filter error, try again later ["


def _assert_fault(milter: Milter, callback: str) -> None:
    """Hold that one fault was logged, with its traceback."""
    (fault,) = milter.events("fault")
    assert fault["callback"] == callback
    assert fault["level"] == "error"
    assert fault["exception"].startswith("Traceback (most recent call last):")
    assert fault["exception"].endswith(f"ZeroDivisionError: {CANARY}")


@pytest.mark.parametrize(
    ("defect", "callback"), [("look_up", "_answer_rcpt"), ("new_ref", "envfrom"), ("record", "_answer_rcpt")]
)
def test_a_fault_at_rcpt_defers_the_whole_message(breakable: Breakable, defect: str, callback: str) -> None:
    """Every recipient of it and its end, and none of the next message."""
    breakable.suppress("bob@example.org")
    with session(breakable) as mta:
        breakable.defects(defect)
        mta.mail(SENDER, login("newsletter"))
        answers = [mta.rcpt("<bob@example.org>")]
        breakable.defects()
        answers += [mta.rcpt("<ann@example.org>"), mta.rcpt("<bob@example.org>"), mta.eom(QUEUED)]
        for answer in answers:
            assert answer.expects(451).text.startswith(DEFERRED)
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<bob@example.org>").expects(550, "opted out")
        mta.rcpt("<ann@example.org>").expects(250)
        mta.eom(QUEUED).expects(250)
    _assert_fault(breakable, callback)
    assert len(breakable.decisions(2)) == 2


@pytest.mark.parametrize("defect", ["look_up", "record", "delrcpt"])
def test_a_fault_at_the_end_defers_the_message(breakable: Breakable, defect: str) -> None:
    """Also one in the midst of what is done to it: Postfix drops a message that it is told to defer, edits and all."""
    breakable.suppress("bob@example.org")
    with session(breakable) as mta:
        breakable.defects(defect)
        answer = mta.message(SENDER, "<ann@example.org>", "<bob@example.org>", headers=[NEWSLETTER])
        assert answer.expects(451).text.startswith(DEFERRED)
        breakable.defects()
        mta.message(SENDER, "<ann@example.org>", "<bob@example.org>", headers=[NEWSLETTER]).expects(250)
        assert [edit.what for edit in mta.edits] == ["delrcpt", "addheader", "addheader"]
    _assert_fault(breakable, "_finish")
    (fault,) = breakable.events("fault")
    assert answer.text == f"{DEFERRED}{fault['ref']}]"


def test_a_fault_after_a_refusal_does_not_repeat_it(breakable: Breakable) -> None:
    """libmilter keeps a reply that was not used for the next occasion."""
    breakable.suppress("bob@example.org")
    with session(breakable) as mta:
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<bob@example.org>").expects(550, "opted out")
        breakable.defects("look_up")
        mta.rcpt("<ann@example.org>").expects(451, "filter error")
        mta.abort()
        breakable.defects()
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<ann@example.org>").expects(250)
        mta.eom(QUEUED).expects(250)


def test_a_fault_that_cannot_be_logged_is_answered_all_the_same(breakable: Breakable) -> None:
    """Else pymilter would answer for us, to an event that has no answer, and libmilter would drop what follows."""
    with session(breakable) as mta:
        breakable.defects("new_ref", "log")
        mta.mail(SENDER, login("newsletter"))
        assert mta.rcpt("<ann@example.org>").expects(451).text.startswith(DEFERRED)
        breakable.defects()
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<ann@example.org>").expects(250)


def test_a_row_that_nobody_can_have_written_defers_mail_to_that_person_only(milter: Milter) -> None:
    """Octets where the address should be: the refusal cannot be worded, which is a fault of ours."""
    milter.suppress("bob@example.org", "eve@example.org")
    with closing(sqlite3.connect(milter.store_file)) as database, database:
        spoilt = database.execute("UPDATE suppression SET address = x'ff' WHERE address = 'bob@example.org'")
        assert spoilt.rowcount == 1
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        assert mta.rcpt("<bob@example.org>").expects(451).text.startswith(DEFERRED)
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<eve@example.org>").expects(550, "opted out")
        mta.rcpt("<ann@example.org>").expects(250)
    (fault,) = milter.events("fault")
    assert "TypeError" in fault["exception"]


# The journal


def _assert_verdicts(milter: Milter) -> None:
    """Hold that everybody gets the answer that they should."""
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<bob@example.org>").expects(550, "opted out")
        mta.rcpt("<ann@example.org>").expects(250)
        mta.eom(QUEUED).expects(250)
        assert len(mta.edits) == 2
        mta.message(SENDER, "<bob@example.org>", headers=[NEWSLETTER]).expects(550)


def _told(milter: Milter) -> str:
    """What the milter says of its journal, waited for."""
    return wait_for(lambda: " ".join(event["cause"] for event in milter.events("journal_trouble")), "journal_trouble")


def test_a_journal_that_is_away_changes_no_verdict(start_own: Start) -> None:
    """Gone, then another thing in its place, then back: what was decided meanwhile is written then."""
    milter = start_own()
    milter.suppress("bob@example.org")
    away = milter.journal_file.with_suffix(".away")
    milter.journal_file.rename(away)
    _assert_verdicts(milter)
    assert "there is no database" in _told(milter)
    milter.journal_file.mkdir()
    _assert_verdicts(milter)
    milter.journal_file.rmdir()
    away.rename(milter.journal_file)
    _assert_verdicts(milter)
    assert [row.verdict for row in milter.journal(6)] == ["reject"] * 6
    assert_no_fault(milter)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of one megabyte."""
    with public_directory() as place:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True, text=True
        )
        if made.returncode:
            pytest.skip(f"cannot mount a small file system: {made.stderr.strip()}")
        try:
            yield place
        finally:
            subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_or_read_only_disk_for_the_journal_changes_no_verdict(start_own: Start, small_disk: Path) -> None:
    """It says so in the log; once there is room, it goes on with what it held back."""
    journal = small_disk / "state" / "journal.db"
    milter = start_own(store={"journal": f"sqlite:///{journal}"})
    milter.journal_file = journal
    milter.suppress("bob@example.org")
    _assert_verdicts(milter)
    milter.journal(2)
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    for _ in range(20):
        _assert_verdicts(milter)
    assert "full" in _told(milter)
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for _ in range(20):
        _assert_verdicts(milter)
    subprocess.run(["mount", "-o", "remount,rw", small_disk], check=True)
    assert len(milter.journal(82)) == 82
    assert_no_fault(milter)
