"""Connect to the one of several servers that answers and may be written to, before a deadline.

A server that is frozen, or a network that swallows packets, gives no error: so the next host is tried after a moment
while the ones before are waited for still, and the first that answers is taken. libpq's own way, one host after the
other, would spend the deadline on the first.

Raises StoreBusyError at the deadline, and the driver's errors where every host refuses.
"""

import select
from collections import deque
from collections.abc import Callable, Mapping

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_attempts, make_conninfo
from psycopg.pq import ConnStatus, PollingStatus
from psycopg.pq.abc import PGconn

from consentmilter.errors import StoreBusyError
from consentmilter.store.postgres import silence

_HEAD_START = 0.25
"""Seconds that a host is waited for before the next one is tried as well, at most."""

_EVENTS = {PollingStatus.READING: select.POLLIN, PollingStatus.WRITING: select.POLLOUT}


def connect(parameters: Mapping[str, str], deadline: float, clock: Callable[[], float]) -> PGconn:
    """A connection to one of the hosts that libpq's parameters name, for calls that do not block."""
    # Names are looked up here, by the system's resolver: the one wait that has no bound but the resolver's own.
    race = _Race([make_conninfo("", **attempt) for attempt in conninfo_attempts(parameters)], deadline, clock)
    try:
        return race.winner()
    finally:
        race.end()


class _Race:
    """Attempts at the same time."""

    def __init__(self, to_try: list[str], deadline: float, clock: Callable[[], float]) -> None:
        self._to_try = deque(to_try)
        self._deadline = deadline
        self._clock = clock
        self._head_start = _head_start(deadline - clock(), len(to_try))
        self._running: list[_Attempt] = []
        self._errors: list[str] = []

    def winner(self) -> PGconn:
        next_start = self._clock()
        while self._to_try or self._running:
            now = self._clock()
            if now >= self._deadline:
                raise StoreBusyError("no connection within the deadline")
            if self._to_try and (now >= next_start or not self._running):
                self._start(self._to_try.popleft())
                next_start = now + self._head_start
            until = min(self._deadline, next_start) if self._to_try else self._deadline
            for attempt in self._ready(until):
                if self._goes_on(attempt) and attempt.made:
                    self._running.remove(attempt)
                    return attempt.connection
        raise psycopg.OperationalError("; ".join(dict.fromkeys(self._errors)))

    def end(self) -> None:
        for attempt in self._running:
            attempt.connection.finish()

    def _start(self, conninfo: str) -> None:
        attempt = _Attempt(conninfo)
        if attempt.connection.status == ConnStatus.BAD:
            self._errors.append(attempt.connection.get_error_message())
        else:
            self._running.append(attempt)

    def _ready(self, until: float) -> list["_Attempt"]:
        """Wait for a sign of any attempt."""
        waiting = select.poll()
        for attempt in self._running:
            waiting.register(attempt.connection.socket, attempt.events)
        ready = {descriptor for descriptor, _ in waiting.poll(max(until - self._clock(), 0.0) * 1000)}
        return [attempt for attempt in self._running if attempt.connection.socket in ready]

    def _goes_on(self, attempt: "_Attempt") -> bool:
        """Take an attempt a step further, or note why that is its end."""
        try:
            attempt.advance()
        except psycopg.OperationalError as error:
            self._errors.append(str(error))
            self._running.remove(attempt)
            attempt.connection.finish()
            return False
        return True


def _head_start(left: float, hosts: int) -> float:
    """How long a host is waited for before the next one is tried as well: each gets its turn in what is left."""
    return min(_HEAD_START, left / (hosts + 1))


class _Attempt:
    """One connection on its way to one host."""

    def __init__(self, conninfo: str) -> None:
        self.connection = pq.PGconn.connect_start(conninfo.encode())
        silence.silence(self.connection)
        # Before the socket is connected, a poll of libpq's would wait for it, for as long as that takes.
        self.events = select.POLLOUT
        self.made = False

    def advance(self) -> None:
        """Go on as far as goes without waiting. Raises OperationalError where the host refuses."""
        status = self.connection.connect_poll()
        if status == PollingStatus.FAILED:
            raise psycopg.OperationalError(self.connection.get_error_message())
        self.made = status == PollingStatus.OK
        self.events = _EVENTS.get(PollingStatus(status), 0)
        if self.made:
            self.connection.nonblocking = 1
