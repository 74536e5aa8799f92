"""The journal's database file: rows appended in transactions, under its own lock.

A commit here need not be on the disk at once (`synchronous=NORMAL`): power loss may cost the last verdicts told, never
the file. As in the store, a missing or replaced file is noticed before every transaction.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consentmilter.errors import StoreError
from consentmilter.store.check import connection_runner, verify
from consentmilter.store.faults import translated
from consentmilter.store.schema import JOURNAL, journal
from consentmilter.store.sqlite import engines, files
from consentmilter.store.sqlite.lock import held

_PATIENCE = 0.2
"""Seconds to wait for the lock, and for SQLite: who appends can come again."""

_READING_PATIENCE = 5.0


class JournalFile:
    """A journal; for appending, used by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine: sa.Engine | None = None
        self._identity: files.Identity | None = None

    def check(self) -> None:
        """Raise StoreSetupError unless the journal is there and of this program's version."""
        files.require(self._path)
        self.select(sa.select(journal).limit(0))

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write all rows, or raise a StoreError and none."""
        with held(self._path, _PATIENCE), translated(self._path):
            engine = self._opened()
            try:
                with engine.begin() as connection:
                    connection.execute(sa.insert(journal), rows)
            except sa.exc.DBAPIError:
                self._drop()  # after a disk error nobody vouches for a connection
                raise

    def select(self, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        """The rows of a query, as mappings."""
        files.identity(self._path)
        with translated(self._path), engines.reading(self._path, _READING_PATIENCE).connect() as connection:
            verify(connection_runner(connection), JOURNAL, {}, self._path)
            return [dict(row) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        """Close the connection, under the lock if it is free soon: see `consentmilter.store.sqlite.sessions`."""
        if self._engine is None:
            return
        try:
            with held(self._path, _PATIENCE):
                self._drop()
        except StoreError:
            self._drop()

    def _opened(self) -> sa.Engine:
        """The engine on the file that the path means now."""
        identity = files.identity(self._path)
        if self._engine is None or identity != self._identity:
            self._drop()
            self._engine = engines.writing(self._path, _PATIENCE, synchronous="NORMAL")
            self._identity = identity
            try:
                with self._engine.connect() as connection:
                    verify(connection_runner(connection), JOURNAL, {}, self._path)
            except (StoreError, sa.exc.DBAPIError):
                self._drop()
                raise
        return self._engine

    def _drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()
