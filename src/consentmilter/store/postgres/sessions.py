"""Transactions of the asynchronous store on one server.

A connection from before that turns out to be dead, or to lead to a standby, is replaced and the beginning tried again:
a restart or a failover of the server costs nobody a change. What was begun is never repeated. Raises StoreError and its
kinds, as `consentmilter.store.writer` says, and StoreUnsureError for a commit that was not answered.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import TypeVar

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from consentmilter.errors import StoreError, StoreUnsureError
from consentmilter.store.postgres import opening
from consentmilter.store.postgres.bounded import COMMIT, FAREWELL, BoundedAsyncConnection
from consentmilter.store.postgres.faults import translated, unsure
from consentmilter.store.postgres.opening import Opening, StaleError, is_stale
from consentmilter.store.postgres.urls import Server
from consentmilter.store.schema import CORE

T = TypeVar("T")

Job = Callable[[AsyncConnection], Awaitable[T]]

_READS_AT_ONCE = 8


class Reading:
    """Reads, each in a transaction that sees one state."""

    def __init__(self, server: Server, key_checks: Mapping[str, bytes], patience: float) -> None:
        self._server = server
        self._engine = _engine(server, _READS_AT_ONCE, patience)
        self._opening = opening.reading(server.name, CORE, key_checks, patience)

    async def run(self, job: Job[T]) -> T:
        with translated(self._server.name):
            async with _begun(self._engine, self._opening) as (connection, _):
                return await job(connection)

    async def close(self) -> None:
        await self._engine.dispose()


class Writing:
    """Changes, one at a time on one connection, and one at a time among all processes."""

    def __init__(self, server: Server, key_checks: Mapping[str, bytes], patience: float) -> None:
        self._server = server
        self._key_checks = key_checks
        self._engine = _engine(server, 1, patience)

    async def run(self, job: Job[T], patience: float, *, lasting: bool = True) -> T:
        """Run the job in a transaction, if no other process writes for longer than `patience` seconds."""
        begin = opening.writing(self._server.name, CORE, self._key_checks, patience, lasting=lasting)
        with translated(self._server.name):
            async with _begun(self._engine, begin) as (connection, driver):
                result = await job(connection)
                await self._commit(connection, driver)
                return result

    async def close(self) -> None:
        await self._engine.dispose()

    async def _commit(self, connection: AsyncConnection, driver: BoundedAsyncConnection) -> None:
        if driver.info.transaction_status is not TransactionStatus.INTRANS:
            raise StoreError(f"{self._server.name}: {opening.FAILED}")
        driver.limit = COMMIT
        try:
            with _warnings(driver) as warnings:
                await connection.commit()
        except (sa.exc.DBAPIError, psycopg.Error) as error:
            if driver.closed:
                raise unsure(self._server.name, error) from error
            raise
        except asyncio.CancelledError as error:
            await connection.invalidate()
            raise unsure(self._server.name, error) from error
        if warnings:
            raise StoreUnsureError(f"{self._server.name}: the change was committed, but {warnings[0]}")


@contextmanager
def _warnings(driver: BoundedAsyncConnection) -> Iterator[list[str]]:
    """What the server warns of meanwhile: as when somebody ends the wait for a standby, and COMMIT says success."""
    found: list[str] = []

    def note(notice: psycopg.errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            found.append(f"{notice.message_primary}")

    driver.add_notice_handler(note)
    try:
        yield found
    finally:
        driver.remove_notice_handler(note)


@asynccontextmanager
async def _begun(engine: AsyncEngine, begin: Opening) -> AsyncIterator[tuple[AsyncConnection, BoundedAsyncConnection]]:
    """A connection in a transaction, which is rolled back if it is still there in the end."""
    connection, driver = await _begin(engine, begin)
    try:
        yield connection, driver
    finally:
        # Cancelled here, it would leave the connection open and its locks taken.
        await asyncio.shield(asyncio.create_task(_leave(connection, driver)))


async def _leave(connection: AsyncConnection, driver: BoundedAsyncConnection) -> None:
    driver.limit = FAREWELL
    try:
        await connection.rollback()
    except (sa.exc.DBAPIError, psycopg.Error):
        await connection.invalidate()
    await connection.close()


async def _begin(engine: AsyncEngine, begin: Opening) -> tuple[AsyncConnection, BoundedAsyncConnection]:
    while True:  # as often as there are connections from before
        with suppress(StaleError):
            return await _attempt(engine, begin)


async def _attempt(engine: AsyncEngine, begin: Opening) -> tuple[AsyncConnection, BoundedAsyncConnection]:
    connection = await engine.connect()
    async with AsyncExitStack() as failed:
        failed.push_async_callback(_throw_away, connection)
        driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, BoundedAsyncConnection)
        await connection.begin()
        driver.limit = begin.limit
        try:
            await _say(driver, begin)
        except psycopg.Error as error:
            if is_stale(error, driver):
                raise StaleError(str(error)) from error
            raise
        driver.limit, driver.used = begin.answers, True
        failed.pop_all()
    return connection, driver


async def _throw_away(connection: AsyncConnection) -> None:
    await connection.invalidate()
    await connection.close()


async def _say(driver: BoundedAsyncConnection, begin: Opening) -> None:
    async with driver.cursor() as cursor:
        await cursor.execute(begin.words)
        while cursor.nextset():
            pass
        begin.verify(await cursor.fetchall())


def _engine(server: Server, size: int, patience: float) -> AsyncEngine:
    return create_async_engine(
        "postgresql+psycopg_async://",
        async_creator=lambda: BoundedAsyncConnection.open(server),
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience,
        pool_use_lifo=True,
    )
