"""A copy of the store for safe keeping, made while the service runs, and checked before it gets its name.

Raises UsageError for a place that cannot be written or is taken, and where a server's own tools are to be used, and
StoreError and its kinds for the store, or for a copy that is not what it should be.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from consentmilter.errors import StoreError, UsageError
from consentmilter.service.newfile import draft_of, refusals_of
from consentmilter.store.check import connection_runner, verify
from consentmilter.store.copies import core_tables
from consentmilter.store.databases import Database, database
from consentmilter.store.schema import CORE, ledger

_MODE = 0o600


@dataclass(frozen=True, slots=True)
class Backup:
    """What a copy holds: octets, and rows by table."""

    octets: int
    rows: Mapping[str, int]


def back_up(url: str, key_checks: Mapping[str, bytes], file: Path) -> Backup:
    """Write a copy of the store into a new file that only its owner can read."""
    store, draft = database(url), draft_of(file)
    with refusals_of(file):
        if os.path.lexists(file):
            raise UsageError(f"{file} is there already: name a new file")
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE))
        try:
            backup = _checked(store, key_checks, draft)
            _sync(draft)
            os.link(draft, file)  # where a rename would overwrite what others put there meanwhile
        finally:
            draft.unlink(missing_ok=True)
        _sync(file.parent)
    return backup


def _checked(store: Database, key_checks: Mapping[str, bytes], draft: Path) -> Backup:
    """The ledger only grows, so that of the copy lies between what it was before and after."""
    before = store.look(lambda connection: _rows(store, connection, key_checks))[ledger.name]
    store.back_up(draft)
    after = store.look(lambda connection: _rows(store, connection, key_checks))[ledger.name]
    copy = database(f"sqlite:///{draft.absolute()}")
    rows = copy.look(lambda connection: _rows(copy, connection, key_checks))
    if not before <= rows[ledger.name] <= after:
        raise StoreError(f"the copy has {rows[ledger.name]} entries in its ledger, the store {before} to {after}")
    return Backup(draft.stat().st_size, rows)


def _rows(place: Database, connection: sa.Connection, key_checks: Mapping[str, bytes]) -> dict[str, int]:
    verify(connection_runner(connection), CORE, key_checks, place.name, connection.dialect.name)
    return {table.name: table.count(connection) for table in core_tables()}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
