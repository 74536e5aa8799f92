"""One connection to a PostgreSQL server for the mail path: libpq's own calls, and a deadline for each.

Each statement is one message to the server and one answer, without a transaction to begin or end and without anything
that would outlive it, so that PgBouncer may stand between. The server is told the deadline too, so that it does not go
on for whom nobody waits. Once the deadline has passed, the connection is of no use.

Raises StoreBusyError at the deadline, StoreError and its kinds as `consentmilter.store.postgres.faults` says.
"""

import select
from collections.abc import Callable, Generator, Sequence
from typing import Any, Self

import psycopg
from psycopg.adapt import Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from consentmilter.errors import StoreBusyError
from consentmilter.store.postgres.connecting import connect
from consentmilter.store.postgres.faults import store_error
from consentmilter.store.postgres.urls import Server

_EVENTS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}

_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)

_Steps = Generator[Wait, Ready | int, list[PGresult]]


class Connection:
    """A connection in autocommit; used by one thread at a time, any thread."""

    def __init__(self, server: Server, driver: PGconn, clock: Callable[[], float]) -> None:
        self._server = server
        self._driver = driver
        self._clock = clock
        self._rows = Transformer()

    @classmethod
    def open(cls, server: Server, deadline: float, clock: Callable[[], float]) -> Self:
        """Connect to the server that may be written to, before the deadline."""
        parameters = server.parameters | {"client_encoding": "UTF8"}
        try:
            return cls(server, connect(parameters, deadline, clock), clock)
        except (psycopg.Error, UnicodeError) as error:  # a host name that cannot be one is a UnicodeError
            raise store_error(server.name, error) from error
        except StoreBusyError as error:
            raise StoreBusyError(f"{server.name}: {error}") from None

    def fetch(self, statements: Sequence[str], deadline: float) -> list[list[Any]]:
        """Run statements in one message, and return the rows of each before the deadline."""
        said = "; ".join((_limit(self._left(deadline)), *statements))
        try:
            self._driver.send_query(said.encode())
            _, *rows = [self._rows_of(result) for result in self._finish(execute(self._driver), deadline)]
        except psycopg.Error as error:
            raise store_error(self._server.name, error) from error
        return rows

    def close(self) -> None:
        self._driver.finish()

    def _finish(self, steps: _Steps, deadline: float) -> list[PGresult]:
        """Take what the driver does to its end."""
        waiting = select.poll()
        try:
            wanted = next(steps)
            while True:
                waiting.register(self._driver.socket, _EVENTS[wanted])
                if not (ready := waiting.poll(self._left(deadline) * 1000)):
                    raise self._late()
                wanted = steps.send(_ready(ready[0][1]))
        except StopIteration as end:
            results: list[PGresult] = end.value
            return results

    def _left(self, deadline: float) -> float:
        left = deadline - self._clock()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> StoreBusyError:
        return StoreBusyError(f"{self._server.name}: no answer within the deadline")

    def _rows_of(self, result: PGresult) -> list[Any]:
        if result.status not in _DONE:
            raise psycopg.errors.error_from_result(result)
        if not result.ntuples:
            return []
        self._rows.set_pgresult(result)
        return self._rows.load_rows(0, result.ntuples, tuple)


def _limit(left: float) -> str:
    """What tells the server how long it may take; it holds for this message only."""
    return f"SET LOCAL statement_timeout = {max(int(left * 1000), 1)}"


def _ready(events: int) -> int:
    """What the driver is told; an error on the socket shows when it reads."""
    readable = events & ~select.POLLOUT
    return (Ready.R if readable else Ready.NONE) | (Ready.W if events & select.POLLOUT else Ready.NONE)
