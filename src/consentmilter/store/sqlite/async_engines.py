"""The engines of `consentmilter.store.sqlite.engines`, for asyncio; apart, so that the mail path need not load it."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.engines import begin_with, connect_args, prepare_writing
from consentmilter.store.sqlite.one_hop import Connection

_URL = "sqlite+aiosqlite://"


def writing(path: Path, patience: float) -> AsyncEngine:
    """An engine with one connection at most, which writes; a commit is on the disk when it returns."""
    engine = create_async_engine(
        _URL,
        async_creator=_opener(path, "rw", patience),
        poolclass=sa.AsyncAdaptedQueuePool,
        pool_size=1,
        max_overflow=0,
    )
    prepare_writing(engine.sync_engine, "FULL")
    return engine


def reading(path: Path, patience: float) -> AsyncEngine:
    """An engine that reads, with a new connection each time."""
    engine = create_async_engine(_URL, async_creator=_opener(path, "ro", patience), poolclass=sa.NullPool)
    begin_with(engine.sync_engine, "BEGIN")
    return engine


def _opener(path: Path, mode: str, patience: float) -> Callable[[], Awaitable[Connection]]:
    opened = partial(sqlite3.connect, f"{files.uri(path)}?mode={mode}", uri=True, **connect_args(patience))

    async def connect() -> Connection:
        connection = Connection(opened)
        thread = connection._thread  # noqa: SLF001 - nothing else tells when it has ended
        thread.daemon = True  # as SQLAlchemy has it: a frozen disk must not keep the process from ending
        try:
            await connection
            return connection
        except sqlite3.Error:
            # aiosqlite leaves the thread to end by itself, and it tells the event loop so: that must still be there.
            while thread.is_alive():  # noqa: ASYNC110 - it has no event, and a moment to live
                await asyncio.sleep(0.001)
            raise

    return connect
