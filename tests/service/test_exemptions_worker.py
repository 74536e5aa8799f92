"""The bounds of exempt mail in workers: caps hold among processes, and the store is never in the way."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.policy.mail import Principal
from consentmilter.policy.settle import Pass
from consentmilter.service import exemptions as module
from consentmilter.service.desk import Record
from consentmilter.service.exemptions import Exemptions
from consentmilter.service.leases import Allowance, block_of
from consentmilter.store.exemptions import ExemptionBook, Use, Used, date_of, day_of, used
from tests.service.by_hand import rows
from tests.service.hammer import capped, silent
from tests.store.stores import both_stores
from tests.store.support import KEYS, NOON, child, finished, person, wait_for

DAY = day_of(NOON)

HAMMER = """
import sys, time
from consentmilter.service.exemptions import Exemptions
from consentmilter.service.leases import Allowance
from consentmilter.store.exemptions import ExemptionBook
from tests.service.hammer import OwnBook, capped, silent
from tests.store.support import KEYS, NOON

book = {"real": ExemptionBook, "broken": OwnBook}[sys.argv[3]](sys.argv[1], KEYS)
site, own = capped(int(sys.argv[2])), int(sys.argv[4])
worker = Exemptions(site, book, lambda: NOON, silent, workers=own, patience=10.0)
print("ready", flush=True)
sys.stdin.readline()
answers = [worker.allowed(1) for _ in range(200)]
print(answers.count(Allowance.GRANTED), answers.count(Allowance.UNKNOWN), flush=True)
worker.close()
"""


class FailingBook:
    """A book that fails as it is told, and remembers who asked."""

    def __init__(self, book: ExemptionBook) -> None:
        self.error: Exception | None = None
        self.asked = 0
        self._book = book

    def lease(self, *arguments: Any) -> int:
        self.asked += 1
        self._fail()
        return self._book.lease(*arguments)

    def give_back(self, *arguments: Any) -> None:
        self._fail()
        self._book.give_back(*arguments)

    def count(self, uses: Mapping[Use, int]) -> None:
        self._fail()
        self._book.count(uses)

    def close(self) -> None:
        self._book.close()

    def _fail(self) -> None:
        if isinstance(self.error, StoreBusyError):
            time.sleep(0.01)  # the store waits before it says so, and is asked again at once
        if self.error is not None:
            raise self.error


@contextmanager
def at_work(url: str, cap: int, now: datetime = NOON, **options: Any) -> Iterator[tuple[Exemptions, FailingBook]]:
    """A worker, and its book."""
    book = FailingBook(ExemptionBook(url, KEYS))
    worker = Exemptions(capped(cap), book, lambda: now, silent, **options)
    try:
        yield worker, book
    finally:
        worker.close()


def hammered(url: str, cap: int, book: str, own: int) -> list[tuple[int, int]]:
    """What four workers let through and did not know, on nodes with `own` of them, that ask 200 times each at once."""
    with ExitStack() as stack:
        workers = [stack.enter_context(child(HAMMER, url, cap, book, own)) for _ in range(4)]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        return [(int(granted), int(unknown)) for granted, unknown in (_answers(worker) for worker in workers)]


def _answers(worker: Any) -> list[str]:
    worker.stdin.write("go\n")
    worker.stdin.flush()
    return finished(worker).split()


@pytest.mark.parametrize(
    ("kind", "own", "cap"), [("sqlite", 4, 3), ("sqlite", 4, 400), ("postgresql", 2, 400)], indirect=["kind"]
)
def test_four_workers_never_let_more_through_than_the_cap(url: str, cap: int, own: int) -> None:
    """On one node, or on two; less by what they hold in hand only; nobody is answered without an answer."""
    answers = hammered(url, cap, "real", own)
    let_through = sum(granted for granted, _ in answers)
    assert cap - 4 * 2 * block_of(cap, own) <= let_through <= cap
    assert [unknown for _, unknown in answers] == [0] * 4


def test_workers_that_each_keep_the_cap_by_themselves_would_be_noticed(url: str) -> None:
    """The test can fail."""
    assert sum(granted for granted, _ in hammered(url, 3, "broken", 4)) == 12


@both_stores
@pytest.mark.parametrize("cap", [3, 1000])
def test_the_whole_cap_can_be_used_by_one_worker(url: str, cap: int) -> None:
    """With small and large blocks."""
    with at_work(url, cap) as (worker, _):
        answers = [worker.allowed(1) for _ in range(cap + 5)]
    assert answers == [Allowance.GRANTED] * cap + [Allowance.OVER_LIMIT] * 5


@both_stores
def test_what_a_worker_leaves_behind_can_be_used_by_another(url: str) -> None:
    """At its end it gives back what it holds."""
    for _ in range(3):
        with at_work(url, 1000) as (worker, _):
            assert worker.allowed(1, 10) is Allowance.GRANTED
    with at_work(url, 1000) as (worker, _):
        assert worker.allowed(1, 970) is Allowance.GRANTED
        assert worker.allowed(1) is Allowance.OVER_LIMIT


def test_the_next_day_has_a_cap_of_its_own(url: str) -> None:
    """It begins at midnight UTC."""
    with at_work(url, 2, datetime.fromisoformat("2026-03-01T23:59:59Z")) as (worker, _):
        assert [worker.allowed(1) for _ in range(3)][2] is Allowance.OVER_LIMIT
    with at_work(url, 2, datetime.fromisoformat("2026-03-02T00:00:00Z")) as (worker, _):
        assert worker.allowed(1) is Allowance.GRANTED


def test_mail_of_a_rule_without_a_cap_asks_nobody(url: str) -> None:
    """Nor does mail that no rule told the stream of."""
    with at_work(url, 1) as (worker, book):
        assert worker.allowed(None, 100) is Allowance.GRANTED
        assert worker.allowed(2, 100) is Allowance.GRANTED
        assert book.asked == 0


def test_while_the_store_is_away_what_is_in_hand_is_used_up(url: str) -> None:
    """Then nothing is known, at once and for a second without asking; when it is back, it goes on."""
    with at_work(url, 400, workers=1, patience=5.0) as (worker, book):
        assert worker.allowed(1) is Allowance.GRANTED
        wait_for(lambda: book.asked >= 1)
        book.error = StoreError("the disk is gone")
        answers = [worker.allowed(1) for _ in range(50)]
        known = answers.count(Allowance.GRANTED)
        assert 0 < known <= 2 * block_of(400, 1)
        assert answers == [Allowance.GRANTED] * known + [Allowance.UNKNOWN] * (50 - known)
        before = time.monotonic()
        assert worker.allowed(1) is Allowance.UNKNOWN
        assert time.monotonic() - before < 1.0
        book.error = None
        wait_for(lambda: worker.allowed(1) is Allowance.GRANTED)


def test_a_lock_that_others_hold_is_waited_for_as_long_as_mail_may_wait(url: str) -> None:
    """Then nothing is known, and once the lock is free, it goes on at once."""
    with at_work(url, 400, patience=3.0) as (worker, book):
        book.error = StoreBusyError("locked by an import")
        before = time.monotonic()
        assert worker.allowed(1) is Allowance.UNKNOWN
        assert 2.9 < time.monotonic() - before < 10.0
        timer = threading.Timer(0.2, lambda: setattr(book, "error", None))
        timer.start()
        assert worker.allowed(1) is Allowance.GRANTED
        timer.join()


def test_a_fault_of_ours_in_the_thread_does_not_end_it(url: str) -> None:
    """Mail waits meanwhile."""
    with at_work(url, 400) as (worker, book):
        book.error = ZeroDivisionError()
        assert worker.allowed(1) is Allowance.UNKNOWN
        book.error = None
        wait_for(lambda: worker.allowed(1) is Allowance.GRANTED)


def test_trouble_is_told_now_and_then(url: str) -> None:
    """Not once for each message."""
    told: list[str] = []
    book = FailingBook(ExemptionBook(url, KEYS))
    book.error = StoreError("the disk is gone")
    worker = Exemptions(capped(5), book, lambda: NOON, told.append)
    assert [worker.allowed(1) for _ in range(20)] == [Allowance.UNKNOWN] * 20
    worker.close()
    assert told == ["the disk is gone"]


def test_who_holds_too_long_gives_back(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a worker that has no mail does not keep the cap from those that have."""
    monkeypatch.setattr(module, "TICK", 0.05)
    monkeypatch.setattr(module, "IDLE", 0.1)
    with at_work(url, 400, workers=1) as (idle, _), at_work(url, 400, workers=1) as (busy, _):
        assert idle.allowed(1) is Allowance.GRANTED
        wait_for(lambda: rows(url, "SELECT count FROM exemption_use") == [(1,)])
        assert busy.allowed(1, 399) is Allowance.GRANTED


def record(category: str = "security-patch", **changes: Any) -> Record:
    principal = Principal("release-bot", ip_address("192.0.2.1"))
    fields: dict[str, Any] = {
        "verdict": "accept",
        "subject": person(1),
        "sender": "a@b.example",
        "recipient": "c@d.example",
    }
    return Record("ref", None, **{"principal": principal, **fields, **changes}, category=category)


@both_stores
def test_exempt_mail_that_went_out_is_counted_and_no_other(url: str) -> None:
    """By who sent it; mail that passes the loop counts once, and what observe mode lets go counts, too."""
    with at_work(url, 400) as (worker, _):
        for _ in range(3):
            worker.note(record())
        worker.note(record(verdict="would-reject"))
        worker.note(record(verdict="reject"))
        worker.note(record(verdict="defer"))
        worker.note(record(stage=Pass.SECOND))
        worker.note(record("marketing"))
        worker.note(record(principal=Principal(None, ip_address("192.0.2.7"), "builds")))
    today = date_of(DAY)
    assert used(url, NOON) == [
        Used("security-patch", "192.0.2.7", 1, today, today),
        Used("security-patch", "release-bot", 4, today, today),
    ]


def test_counts_wait_for_a_store_that_is_away(url: str) -> None:
    """Nothing is lost, and nothing counted twice."""
    with at_work(url, 400) as (worker, book):
        book.error = StoreError("away")
        worker.note(record())
        wait_for(lambda: worker._rest_until > 0)
        worker.note(record())
        book.error = None
    assert [each.count for each in used(url, NOON - timedelta(days=1))] == [2]
