"""Synchronous transactions on one server: what is written from behind, and single ones.

Each is begun and checked as in `consentmilter.store.postgres.sessions`, with the same second attempt. Raises what the
driver raises, and StoreError and its kinds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus

from consentmilter.errors import StoreError
from consentmilter.store.postgres import opening
from consentmilter.store.postgres.bounded import COMMIT, FAREWELL, BoundedConnection
from consentmilter.store.postgres.faults import translated, unsure
from consentmilter.store.postgres.opening import Opening, StaleError, is_stale
from consentmilter.store.postgres.urls import Server
from consentmilter.store.schema import Tree

T = TypeVar("T")

_PATIENCE = 0.2
"""Seconds to wait for a lock: who writes from behind can come again."""


class BackgroundServer:
    """One tree on a server, used by one thread; it connects when there is something to write."""

    def __init__(self, server: Server, tree: Tree, key_checks: Mapping[str, bytes]) -> None:
        self._server = server
        self._engine = engine(server)
        self._opening = opening.writing(server.name, tree, key_checks, _PATIENCE)

    def run(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement for all rows, or raise a StoreError and for none."""
        self.write(lambda connection: connection.execute(statement, rows))

    def write(self, job: Callable[[sa.Connection], T]) -> T:
        """Run the job in one transaction, and return what it says; or raise a StoreError, and nothing has happened."""
        return changed(self._server, self._engine, self._opening, job)

    def close(self) -> None:
        self._engine.dispose()


def looked(server: Server, begin: Opening, job: Callable[[sa.Connection], T]) -> T:
    """What a job says that only reads, on a connection of its own."""
    with translated(server.name), _single(server) as single, _begun(single, begin) as (connection, _):
        return job(connection)


def changed(server: Server, engine_: sa.Engine, begin: Opening, job: Callable[[sa.Connection], T]) -> T:
    """What a job says that is committed when this returns."""
    with translated(server.name), _begun(engine_, begin) as (connection, driver):
        result = job(connection)
        _commit(server, connection, driver)
        return result


def changed_once(server: Server, begin: Opening, job: Callable[[sa.Connection], T]) -> T:
    """The same, on a connection of its own."""
    with _single(server) as single:
        return changed(server, single, begin, job)


def engine(server: Server) -> sa.Engine:
    """An engine with one connection at most."""
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: BoundedConnection.open(server), pool_size=1, max_overflow=0
    )


@contextmanager
def _single(server: Server) -> Iterator[sa.Engine]:
    single = engine(server)
    try:
        yield single
    finally:
        single.dispose()


@contextmanager
def _begun(engine_: sa.Engine, begin: Opening) -> Iterator[tuple[sa.Connection, BoundedConnection]]:
    """A connection in a transaction, which is rolled back if it is still there in the end."""
    connection, driver = _begin(engine_, begin)
    try:
        yield connection, driver
    finally:
        driver.limit = FAREWELL
        try:
            connection.rollback()
        except (sa.exc.DBAPIError, psycopg.Error):
            connection.invalidate()
        connection.close()


def _begin(engine_: sa.Engine, begin: Opening) -> tuple[sa.Connection, BoundedConnection]:
    while True:  # as often as there are connections from before
        with suppress(StaleError):
            return _attempt(engine_, begin)


def _attempt(engine_: sa.Engine, begin: Opening) -> tuple[sa.Connection, BoundedConnection]:
    connection = engine_.connect()
    with ExitStack() as failed:
        failed.callback(_throw_away, connection)
        driver = connection.connection.driver_connection
        assert isinstance(driver, BoundedConnection)
        connection.begin()
        driver.limit = begin.limit
        try:
            _say(driver, begin)
        except psycopg.Error as error:
            if is_stale(error, driver):
                raise StaleError(str(error)) from error
            raise
        driver.limit, driver.used = begin.answers, True
        failed.pop_all()
    return connection, driver


def _throw_away(connection: sa.Connection) -> None:
    connection.invalidate()
    connection.close()


def _say(driver: BoundedConnection, begin: Opening) -> None:
    with driver.cursor() as cursor:
        cursor.execute(begin.words)
        while cursor.nextset():
            pass
        begin.verify(cursor.fetchall())


def _commit(server: Server, connection: sa.Connection, driver: BoundedConnection) -> None:
    if driver.info.transaction_status is not TransactionStatus.INTRANS:
        raise StoreError(f"{server.name}: {opening.FAILED}")
    driver.limit = COMMIT
    try:
        connection.commit()
    except (sa.exc.DBAPIError, psycopg.Error) as error:
        if driver.closed:
            raise unsure(server.name, error) from error
        raise
