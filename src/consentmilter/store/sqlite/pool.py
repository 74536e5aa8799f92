"""Reading connections on a database file, and the deadline of each call.

Each is opened with mode=ro, checked for schema version and keys, and bound to the file that it was opened on: if the
path means another file, the connection is thrown away.

The deadline is kept by SQLite's busy timeout: a look-up by key waits for locks and for nothing else of any length. A
progress handler would be a trap. It enters Python through PyGILState_Ensure, which knows a thread state by operating
system thread; pymilter has one a session, and libmilter moves sessions between threads, so that it finds a freed one
and the process dies. The same holds for every other Python callback of a C library on the mail path.

Raises StoreBusyError at the deadline, StoreError and StoreSetupError as `consentmilter.store.reader` says.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store import pool
from consentmilter.store.check import verify
from consentmilter.store.dialect import SQLITE
from consentmilter.store.schema import CORE
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.faults import store_error
from consentmilter.store.standing import ANY_HASH_LIST, Chosen, looked_up

_SIZES = (0, 4, 8, 16, 64, 256, 1000)
"""Numbers of keys that a statement exists for; fewer keys are filled up by repeating the last one."""

_SLACK = 0.02
"""By how much a connection's busy timeout may exceed what is left of a deadline before it is set anew."""


class Pool(pool.Pool["_Connection"]):
    """Connections on one database file."""

    def __init__(self, path: Path, key_checks: Mapping[str, bytes], clock: Callable[[], float]) -> None:
        super().__init__()
        self._path = path
        self._key_checks = dict(key_checks)
        self._clock = clock

    def look_up(self, subjects: Sequence[bytes], digests: Sequence[bytes], deadline: float) -> pool.Rows:
        """One statement up to a thousand keys; it is compiled once for each of a few sizes."""
        rows = self._look_up_some(subjects[: _SIZES[-1]], digests[: _SIZES[-1]], deadline)
        for start in range(_SIZES[-1], max(len(subjects), len(digests)), _SIZES[-1]):
            end = start + _SIZES[-1]
            rows += self._look_up_some(subjects[start:end], digests[start:end], deadline)
        return rows

    def _look_up_some(self, subjects: Sequence[bytes], digests: Sequence[bytes], deadline: float) -> pool.Rows:
        of_people, of_lists = _filled(subjects), _filled(digests)
        return self.fetch(_statement(len(of_people), len(of_lists)), [*of_people, *of_lists, *of_people], deadline)

    def fetch(self, statement: str, values: Sequence[object], deadline: float) -> pool.Rows:
        """Run one statement and return all its rows."""
        return self._ask(lambda connection: connection.fetch(statement, values, deadline), deadline)

    def _serves(self, connection: "_Connection") -> bool:
        """Whether the path means the file still that the connection was opened on."""
        try:
            return connection.identity == files.identity(self._path)
        except StoreError:
            return False  # opening a new one says why

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


def _filled(keys: Sequence[bytes]) -> list[bytes]:
    size = next(size for size in _SIZES if size >= len(keys))
    return [*keys, *repeat(keys[-1], size - len(keys))] if keys else []


@cache
def _statement(subjects: int, digests: int) -> str:
    """The look-up of so many subjects, and of so many digests in hash lists, in the driver's own language."""
    of_people, of_lists = _one_of("subject", subjects), _one_of("digest", digests)
    return str(looked_up(of_people, of_lists, [ANY_HASH_LIST]).compile(dialect=SQLITE))


def _one_of(name: str, count: int) -> Chosen | None:
    places = [sa.bindparam(f"{name}{number}", type_=sa.LargeBinary) for number in range(count)]
    return (lambda column: column.in_(places)) if places else None


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
