"""Transactions of the asynchronous store on one database file.

A missing or replaced file is noticed before every transaction, so that nothing is read from, or acknowledged into, a
deleted one. Whatever is opened is checked for schema version and keys. Raises StoreError and its kinds, as
`consentmilter.store.writer` says.
"""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from consentmilter.errors import StoreError
from consentmilter.store.check import connection_runner, verify
from consentmilter.store.schema import CORE
from consentmilter.store.sqlite import async_engines, files
from consentmilter.store.sqlite.faults import translated
from consentmilter.store.sqlite.lock import held_async

T = TypeVar("T")

WAL_LIMIT = 32 * 1024 * 1024
"""Octets of the WAL from which the writer waits for readers in order to start it over."""

_CHECKPOINT_PATIENCE = 0.1
_CHECKPOINT_PAUSE = 1.0
_READS_AT_ONCE = 8


class Reading:
    """Reads, each on a connection of its own, which is opened on the file that is there at the time."""

    def __init__(self, path: Path, key_checks: Mapping[str, bytes], patience: float) -> None:
        self._path = path
        self._key_checks = key_checks
        self._engine = async_engines.reading(path, patience)
        self._slots = asyncio.Semaphore(_READS_AT_ONCE)

    async def run(self, job: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        async with self._slots:
            files.identity(self._path)
            with translated(self._path):
                async with self._engine.connect() as connection:
                    await connection.run_sync(_verify, self._key_checks, self._path)
                    return await job(connection)

    async def close(self) -> None:
        """Nothing stays open between two reads."""


class Writing:
    """Changes, one at a time, on one connection that stays open; the lock is held from before BEGIN to after COMMIT."""

    def __init__(self, path: Path, key_checks: Mapping[str, bytes], patience: float) -> None:
        self._path = path
        self._key_checks = key_checks
        self._patience = patience
        self._engine: AsyncEngine | None = None
        self._identity: files.Identity | None = None
        self._next_checkpoint = 0.0

    async def run(self, job: Callable[[AsyncConnection], Awaitable[T]], patience: float, *, lasting: bool = True) -> T:
        """Run the job in a transaction, if the lock is free within `patience` seconds."""
        async with held_async(self._path, patience):
            with translated(self._path):
                engine = await self._opened()
                try:
                    async with engine.begin() as connection:
                        result = await job(connection)
                except sa.exc.DBAPIError:
                    await self._drop()  # after a disk error nobody vouches for a connection
                    raise
                await self._bound_wal(engine)
                return result

    async def close(self) -> None:
        """Close the connection, under the lock: if no other process has the database open, SQLite checkpoints now."""
        if self._engine is None:
            return
        try:
            async with held_async(self._path, self._patience):
                await self._drop()
        except StoreError:
            # Whoever has the lock has the database open, and SQLite checkpoints in a close only as the very last one.
            await self._drop()

    async def _opened(self) -> AsyncEngine:
        """The engine on the file that the path means now."""
        identity = files.identity(self._path)
        if self._engine is None or identity != self._identity:
            await self._drop()
            self._engine, self._identity = async_engines.writing(self._path, self._patience), identity
            try:
                async with self._engine.connect() as connection:
                    await connection.run_sync(_verify, self._key_checks, self._path)
            except (StoreError, sa.exc.DBAPIError):
                await self._drop()
                raise
        return self._engine

    async def _drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.dispose()

    async def _bound_wal(self, engine: AsyncEngine) -> None:
        """Keep the WAL from growing without end under readers that overlap.

        SQLite's own checkpoint, within the commit, waits for nobody, and leaves what a reader still needs.
        """
        if _wal_octets(self._path) < WAL_LIMIT or time.monotonic() < self._next_checkpoint:
            return
        self._next_checkpoint = time.monotonic() + _CHECKPOINT_PAUSE
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            with suppress(sqlite3.Error):  # the change is committed whatever becomes of this; the next one tries again
                await driver.execute(f"PRAGMA busy_timeout = {int(_CHECKPOINT_PATIENCE * 1000)}")
                await driver.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            await driver.execute(f"PRAGMA busy_timeout = {int(self._patience * 1000)}")


def _verify(connection: sa.Connection, key_checks: Mapping[str, bytes], path: Path) -> None:
    verify(connection_runner(connection), CORE, key_checks, path)


def _wal_octets(path: Path) -> int:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0
