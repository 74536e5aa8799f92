"""Reading connections for many threads, and the deadline of each call.

A connection belongs to no thread: libmilter runs the callbacks of one session on any of its workers. The one used last
is used next. Each is opened with mode=ro, checked for schema version and keys, and bound to the file that it was opened
on: if the path means another file, the connection is thrown away.

The deadline is kept by SQLite's busy timeout: a look-up by key waits for locks and for nothing else of any length. A
progress handler would be a trap. It enters Python through PyGILState_Ensure, which knows a thread state by operating
system thread; pymilter has one a session, and libmilter moves sessions between threads, so that it finds a freed one
and the process dies. The same holds for every other Python callback of a C library on the mail path.

Raises StoreBusyError at the deadline, StoreError and StoreSetupError as `consentmilter.store.reader` says.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.check import verify
from consentmilter.store.faults import store_error
from consentmilter.store.schema import CORE
from consentmilter.store.sqlite import files

_IDLE = 16
"""Connections kept open while nobody needs them."""

_SLACK = 0.02
"""By how much a connection's busy timeout may exceed what is left of a deadline before it is set anew."""


class Pool:
    """Connections on one database file."""

    def __init__(self, path: Path, key_checks: Mapping[str, bytes], clock: Callable[[], float]) -> None:
        self._path = path
        self._key_checks = dict(key_checks)
        self._clock = clock
        self._idle: deque[_Connection] = deque()
        self._kept = _IDLE

    def fetch(self, statement: str, values: Sequence[object], deadline: float) -> list[Any]:
        """Run one statement and return all its rows before the deadline, a time of the pool's clock."""
        connection = self._borrow()
        if connection is None:
            return self._fetch_anew(statement, values, deadline)
        try:
            rows = connection.fetch(statement, values, deadline)
        except StoreBusyError:
            connection.close()
            raise
        except StoreError:
            # The connection may be dead and the database well: one try on a new one.
            connection.close()
            return self._fetch_anew(statement, values, deadline)
        self._give_back(connection)
        return rows

    def close(self) -> None:
        """Close the idle connections, and those in use when they come back."""
        self._kept = 0
        while self._idle:
            self._idle.pop().close()

    def _fetch_anew(self, statement: str, values: Sequence[object], deadline: float) -> list[Any]:
        connection = self._open(deadline)
        try:
            rows = connection.fetch(statement, values, deadline)
        except StoreError:
            connection.close()
            raise
        self._give_back(connection)
        return rows

    def _borrow(self) -> "_Connection | None":
        """An idle connection on the file that the path means now."""
        identity = files.identity(self._path)
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.identity == identity:
                return connection
            connection.close()

    def _give_back(self, connection: "_Connection") -> None:
        if len(self._idle) < self._kept:
            self._idle.append(connection)
        else:
            connection.close()

    def _open(self, deadline: float) -> "_Connection":
        identity = files.require(self._path)
        connection = _Connection(self._path, identity, self._clock, deadline)
        try:
            verify(lambda statement: connection.fetch(statement, (), deadline), CORE, self._key_checks, self._path)
            connection.refuse_replaced()
        except StoreError:
            connection.close()
            raise
        return connection


class _Connection:
    """One of the driver's connections; used by one thread at a time."""

    def __init__(self, path: Path, identity: files.Identity, clock: Callable[[], float], deadline: float) -> None:
        self.identity = identity
        self._path = path
        self._clock = clock
        self._busy = max(deadline - clock(), 0.0)
        uri = f"{files.uri(path)}?mode=ro"
        try:
            self._driver = sqlite3.connect(
                uri, uri=True, timeout=self._busy, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise store_error(path, error) from error

    def fetch(self, statement: str, values: Sequence[object], deadline: float) -> list[Any]:
        """Run one statement to its last row, which also ends its transaction."""
        left = deadline - self._clock()
        if left <= 0:
            raise StoreBusyError(f"{self._path}: no answer within the deadline")
        try:
            if not left <= self._busy <= left + _SLACK:
                self._wait_at_most(left)
            return self._driver.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise store_error(self._path, error) from error

    def refuse_replaced(self) -> None:
        """Raise StoreError if the path no longer means the file that it meant before opening."""
        if files.identity(self._path) != self.identity:
            raise StoreError(f"{self._path} was replaced while it was being opened")

    def close(self) -> None:
        self._driver.close()

    def _wait_at_most(self, left: float) -> None:
        """Tell SQLite how long to wait for locks."""
        self._driver.execute(f"PRAGMA busy_timeout = {max(int(left * 1000), 1)}").fetchall()
        self._busy = left
