"""Connections to a PostgreSQL server for the mail path, and the look-up in one round trip.

A connection is checked for schema version and keys with the first statement that it runs. Each look-up asks the server
whether it is a standby, and is refused by one: the one that a connection was made to may not be the one that answers,
with PgBouncer or an address that moves between them, and a standby may not know yet what a person said a second ago.

Raises StoreBusyError at the deadline, or when all connections are in use until then, StoreError and StoreSetupError as
`consentmilter.store.reader` says.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store import pool
from consentmilter.store.check import verify_keys, verify_version
from consentmilter.store.postgres.connection import Connection
from consentmilter.store.postgres.dialect import POSTGRESQL
from consentmilter.store.postgres.urls import Server
from consentmilter.store.schema import CORE
from consentmilter.store.standing import ANY_HASH_LIST, Chosen, Sign, looked_up, signs_of

_CONNECTIONS = 8
"""Connections of one process at most, as a server has a number that is shared by all; more would wait for Python."""

_STANDBY = Sign("standby", sa.func.pg_is_in_recovery())

_CHECK = (
    f"SELECT NULL, version_num, NULL FROM {CORE.version_table} "  # noqa: S608 - ours
    "UNION ALL SELECT key_id, NULL, value FROM key_check"
)
"""Schema version and keys."""


class Pool(pool.Pool["_Checked"]):
    """Connections to one server, or to the one of several that is the primary."""

    def __init__(self, server: Server, key_checks: Mapping[str, bytes], clock: Callable[[], float]) -> None:
        super().__init__(kept=_CONNECTIONS)
        self._server = server
        self._key_checks = dict(key_checks)
        self._clock = clock
        self._free = threading.Semaphore(_CONNECTIONS)

    def look_up(self, subjects: Sequence[bytes], digests: Sequence[bytes], deadline: float) -> pool.Rows:
        """One statement, whatever the number of keys."""
        template = _statement(people=bool(subjects), lists=bool(digests))
        return self.fetch(template.format(subjects=_array(subjects), digests=_array(digests)), deadline)

    def fetch(self, statement: str, deadline: float) -> pool.Rows:
        """Run one statement when a connection is free, and return all its rows."""
        if not self._free.acquire(timeout=max(deadline - self._clock(), 0.0)):
            raise StoreBusyError(f"{self._server.name}: all connections are in use")
        try:
            return self._ask(lambda connection: connection.fetch(statement, deadline), deadline)
        finally:
            self._free.release()

    def _open(self, deadline: float) -> "_Checked":
        return _Checked(Connection.open(self._server, deadline, self._clock), self._server, self._key_checks)


class _Checked:
    """A connection that answers only from a primary that this program may serve from."""

    def __init__(self, connection: Connection, server: Server, key_checks: Mapping[str, bytes]) -> None:
        self._connection = connection
        self._server = server
        self._key_checks = key_checks
        self._checked = False

    def fetch(self, statement: str, deadline: float) -> pool.Rows:
        """Run one statement of `looked_up`."""
        if self._checked:
            (rows,) = self._connection.fetch([statement], deadline)
        else:
            check, rows = self._connection.fetch([_CHECK, statement], deadline)
            self._verify(check)
        if _STANDBY.word in signs_of(rows):
            raise StoreError(f"{self._server.name}: this is a standby, on which consent is not decided")
        return rows

    def close(self) -> None:
        self._connection.close()

    def _verify(self, check: pool.Rows) -> None:
        version = next((version for key, version, _ in check if key is None), None)
        verify_version(version, CORE, self._server.name)
        verify_keys({key: value for key, _, value in check if key is not None}, self._key_checks, self._server.name)
        self._checked = True


@cache
def _statement(*, people: bool, lists: bool) -> str:
    """The look-up, with places for the arrays of keys."""
    of_people, of_lists = _in_array("{subjects}") if people else None, _in_array("{digests}") if lists else None
    return str(looked_up(of_people, of_lists, [ANY_HASH_LIST, _STANDBY]).compile(dialect=POSTGRESQL))


def _in_array(place: str) -> Chosen:
    array: sa.ColumnElement[Any] = sa.literal_column(place, ARRAY(sa.LargeBinary))
    return lambda column: column == sa.any_(array)


def _array(keys: Sequence[bytes]) -> str:
    r"""The keys as a literal, of hexadecimal digits only.

    The server reads E'{"\\xAB"}' the same whatever its standard_conforming_strings.
    """
    return "E'{" + ",".join(f'"\\\\\\\\x{key.hex()}"' for key in keys) + "}'::bytea[]"
