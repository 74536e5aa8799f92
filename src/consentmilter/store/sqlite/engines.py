"""Engines on one database file, for writing (under the lock only) and for reading.

The driver's own transactions are switched off (it would begin deferred ones, and none at all before DDL); every
transaction begins with the statement given here. Readers open with mode=ro: such a connection can never checkpoint,
not even as the last one to close. No engine makes a file that is missing.
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from consentmilter.store.sqlite import files

WAL_KEPT = 8 * 1024 * 1024
"""Octets of the WAL file that stay on disk when it starts over; a large transaction makes it larger for a while."""


def writing(path: Path, patience: float, *, synchronous: str = "FULL") -> sa.Engine:
    """An engine with one connection at most, which writes."""
    engine = sa.create_engine(
        url("sqlite", path, "rw"), connect_args=connect_args(patience), pool_size=1, max_overflow=0
    )
    prepare_writing(engine, synchronous)
    return engine


def reading(path: Path, patience: float) -> sa.Engine:
    """An engine that reads, with a new connection each time."""
    engine = sa.create_engine(url("sqlite", path, "ro"), connect_args=connect_args(patience), poolclass=sa.NullPool)
    begin_with(engine, "BEGIN")
    return engine


def url(driver: str, path: Path, mode: str) -> sa.URL:
    """A database file as SQLAlchemy's URL, in one of SQLite's modes ro and rw."""
    return sa.URL.create(driver, database=files.uri(path), query={"mode": mode, "uri": "true"})


def connect_args(patience: float) -> dict[str, Any]:
    """What the driver is told: to leave transactions alone, and how long to wait for locks."""
    return {"isolation_level": None, "timeout": patience}


def prepare_writing(engine: sa.Engine, synchronous: str) -> None:
    """Have every connection set up for writing, and every transaction take SQLite's write lock as it begins."""
    pragmas = (
        "journal_mode = WAL",
        f"synchronous = {synchronous}",
        "foreign_keys = ON",
        "secure_delete = ON",  # what was erased is gone from free pages as well
        "temp_store = MEMORY",  # staged rows are personal data: not into a temporary file
        f"journal_size_limit = {WAL_KEPT}",
    )

    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    begin_with(engine, "BEGIN IMMEDIATE")


def begin_with(engine: sa.Engine, statement: str) -> None:
    """Begin every transaction with this statement."""

    @event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(statement)
