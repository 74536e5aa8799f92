"""The engines of `consentmilter.store.sqlite.engines`, for asyncio; apart, so that the mail path need not load it."""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from consentmilter.store.sqlite.engines import begin_with, connect_args, prepare_writing, url

_DRIVER = "sqlite+aiosqlite"


def writing(path: Path, patience: float) -> AsyncEngine:
    """An engine with one connection at most, which writes; a commit is on the disk when it returns."""
    engine = create_async_engine(
        url(_DRIVER, path, "rw"), connect_args=connect_args(patience), pool_size=1, max_overflow=0
    )
    prepare_writing(engine.sync_engine, "FULL")
    return engine


def reading(path: Path, patience: float) -> AsyncEngine:
    """An engine that reads, with a new connection each time."""
    engine = create_async_engine(url(_DRIVER, path, "ro"), connect_args=connect_args(patience), poolclass=sa.NullPool)
    begin_with(engine.sync_engine, "BEGIN")
    return engine
