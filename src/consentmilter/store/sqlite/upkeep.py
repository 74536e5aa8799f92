"""How a database file is, and a copy of it for safe keeping. What the driver and the file system raise goes through."""

from pathlib import Path

import sqlalchemy as sa

from consentmilter.errors import StoreError
from consentmilter.store.condition import Condition
from consentmilter.store.sqlite import engines, files

WAL_TOO_LARGE = 256 * 1024 * 1024
"""Octets of the WAL that no writer leaves behind: it grows so only while somebody reads without end."""

_PATIENCE = 10.0


def condition(path: Path, connection: sa.Connection) -> Condition:
    """How the file is that the connection reads."""
    version = connection.scalar(sa.text("SELECT sqlite_version()"))
    pages = connection.scalar(sa.text("PRAGMA page_count")) or 0
    page_octets = connection.scalar(sa.text("PRAGMA page_size")) or 0
    wal_octets = _octets(path.with_name(f"{path.name}-wal"))
    needs = []
    if wal_octets > WAL_TOO_LARGE:
        needs.append(
            f"{path}-wal has {wal_octets // 2**20} MiB: a process reads for very long and keeps it from starting over; "
            "find it with fuser(1) and end it"
        )
    return Condition("SQLite", str(version), pages * page_octets, wal_octets=wal_octets, needs=tuple(needs))


def back_up(path: Path, file: Path) -> None:
    """Write one state of the database into an empty file, and read that through."""
    files.require(path)
    _vacuum(path, file)
    _read_through(file)


def _vacuum(path: Path, file: Path) -> None:
    """Have SQLite write the file; it reads in one transaction, waits for no writer and lets none wait."""
    engine = engines.reading(path, _PATIENCE)
    connection = engine.raw_connection()  # not in a transaction, in which there is no VACUUM
    try:
        connection.cursor().execute("VACUUM INTO ?", (str(file),))
    finally:
        connection.close()
        engine.dispose()


def _read_through(file: Path) -> None:
    # Nobody else has it, and it is to be left without a WAL beside it.
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=files.uri(file), query={"mode": "ro", "immutable": "1", "uri": "true"}),
        poolclass=sa.NullPool,
    )
    try:
        with engine.connect() as connection:
            faults = connection.scalars(sa.text("PRAGMA integrity_check")).all()
    finally:
        engine.dispose()
    if faults != ["ok"]:
        raise StoreError(f"{file} is damaged: {faults[0]}")


def _octets(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
