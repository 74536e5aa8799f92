"""The bounds of exempt mail in one worker: whether the cap of a rule lets it go, and the count of what went.

All writing is done by a thread of its own. Who asks is answered from what the worker has leased; if that is used up, it
waits for the thread, for so many seconds at most. What a killed worker counted in its last second is lost, and what it
had leased counts as used. Never raises for the store's sake: who asks hears that nothing is known.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.model import Verdict
from consentmilter.policy.settle import Pass
from consentmilter.policy.site import Site
from consentmilter.service.desk import Record
from consentmilter.service.leases import IDLE, Allowance, Lease, block_of
from consentmilter.store.exemptions import Use, day_of

TICK = 1.0
"""How often what was used is written, and what lies idle is given back."""

REST = 1.0
"""How long the store is given a rest after a failure; whoever asks meanwhile is answered at once."""

_TELL_EVERY = 10.0

_STAYED = frozenset({Verdict.REJECT, Verdict.REMOVE, Verdict.HOLD, Verdict.DEFER})
"""Verdicts with which mail does not go out, or not yet."""


class Book(Protocol):
    """Where leases come from and counts go: `ExemptionBook`, or one that fails."""

    def lease(self, day: int, rule: str, wanted: int, cap: int) -> int: ...
    def give_back(self, day: int, rule: str, count: int) -> None: ...
    def count(self, uses: Mapping[Use, int]) -> None: ...
    def close(self) -> None: ...


class Exemptions:
    """The caps and the counts of a site, for one worker.

    `patience` is how long somebody who asks may wait, in seconds. `on_trouble` is told in the thread, now and then,
    what the store says.
    """

    def __init__(
        self,
        site: Site,
        book: Book,
        now: Callable[[], datetime],
        on_trouble: Callable[[str], None],
        *,
        workers: int = 1,
        patience: float = 2.0,
    ) -> None:
        self._book = book
        self._now = now
        self._on_trouble = on_trouble
        self._patience = patience
        self._exempt = {stream.category.name for stream in site.streams.values() if stream.category.exempt}
        self._leases = {
            rule.number: Lease(rule, rule.max_per_day, block_of(rule.max_per_day, workers))
            for rule in site.rules
            if rule.max_per_day is not None
        }
        self._uses: Counter[Use] = Counter()
        self._changed = threading.Condition()
        self._wake = threading.Event()
        self._closing = False
        self._rest_until = 0.0
        self._tell_at = 0.0
        self._thread = threading.Thread(target=self._run, name="exemptions", daemon=True)
        self._thread.start()

    def allowed(self, number: int | None, people: int = 1) -> Allowance:
        """Whether the cap of the rule of this number has room for so many people more; if so, they are counted."""
        lease = self._leases.get(number or 0)
        if lease is None:
            return Allowance.GRANTED
        deadline = time.monotonic() + self._patience
        with self._changed:
            while (answer := self._take(lease, people)) is Allowance.UNKNOWN:
                left = deadline - time.monotonic()
                if left <= 0 or self._closing or time.monotonic() < self._rest_until:
                    return answer
                lease.wanted = max(lease.wanted, people)
                self._wake.set()
                self._changed.wait(left)
        return answer

    def note(self, record: Record) -> None:
        """Count the mail that goes out, of exempt categories; behind the loop it was counted before it."""
        gone = record.verdict not in _STAYED  # what would have been refused went out, too
        if gone and record.category in self._exempt and record.stage is not Pass.SECOND:
            use = Use(day_of(self._now()), record.category or "", str(record.principal))
            with self._changed:
                self._uses[use] += 1

    def close(self) -> None:
        """Write what was counted, give back what is in hand, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._wake.set()
        self._thread.join(3 * TICK)

    def _take(self, lease: Lease, people: int) -> Allowance:
        at = time.monotonic()
        answer = lease.take(day_of(self._now()), people, at)
        if lease.ask(at):
            self._wake.set()
        return answer

    # In the thread

    def _run(self) -> None:
        next_upkeep = time.monotonic() + TICK
        while not self._closing:
            self._wake.wait(max(next_upkeep - time.monotonic(), 0.0))
            self._wake.clear()
            self._attempt(self._lease_more)
            if time.monotonic() >= next_upkeep:
                next_upkeep = time.monotonic() + TICK
                self._attempt(lambda: self._give_back(IDLE))
                self._attempt(self._write_counts)
        self._attempt(lambda: self._give_back(0.0))
        self._attempt(self._write_counts)
        self._book.close()

    def _attempt(self, work: Callable[[], None]) -> None:
        if time.monotonic() < self._rest_until and not self._closing:
            return
        try:
            work()
        except Exception as error:  # noqa: BLE001 - the thread's edge: a fault of ours must not end the thread
            self._tell(str(error) if isinstance(error, StoreError) else repr(error))
            with self._changed:
                if not isinstance(error, StoreBusyError):  # the lock was waited for, and may be free the next time
                    self._rest_until = time.monotonic() + REST
                for lease in self._leases.values():
                    lease.wanted = 0
                self._changed.notify_all()  # who still waits asks again, or gives up

    def _lease_more(self) -> None:
        for lease in self._leases.values():
            with self._changed:
                day, asked = lease.day, lease.ask(time.monotonic())
            if not asked:
                continue
            granted = self._book.lease(day, lease.rule.fingerprint(), asked, lease.cap)
            with self._changed:
                lease.add(day, asked, granted, time.monotonic())
                self._changed.notify_all()

    def _give_back(self, idle: float) -> None:
        for lease in self._leases.values():
            with self._changed:
                day, left = lease.day, lease.give_up(time.monotonic(), idle)
            if left:
                # If this fails it counts as used: a change that was told to fail may have happened all the same.
                self._book.give_back(day, lease.rule.fingerprint(), left)

    def _write_counts(self) -> None:
        with self._changed:
            uses, self._uses = self._uses, Counter()
        if not uses:
            return
        try:
            self._book.count(uses)
        except StoreError:
            with self._changed:
                self._uses.update(uses)
            raise

    def _tell(self, trouble: str) -> None:
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + _TELL_EVERY
            with suppress(Exception):  # there is nobody left to tell of the trouble of telling
                self._on_trouble(trouble)
