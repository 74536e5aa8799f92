"""A database file that is written from behind: rows in transactions, under the file's lock, and not for long.

Who writes so can come again, so nobody waits for it. As everywhere, a missing or replaced file is noticed before every
transaction. Raises StoreError and its kinds.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from consentmilter.errors import StoreError
from consentmilter.store.check import connection_runner, verify
from consentmilter.store.schema import Tree
from consentmilter.store.sqlite import engines, files
from consentmilter.store.sqlite.faults import translated
from consentmilter.store.sqlite.lock import held

T = TypeVar("T")

_PATIENCE = 0.2
"""Seconds to wait for the lock, and for SQLite: who appends can come again."""


class BackgroundFile:
    """One tree's file, used by one thread.

    With `synchronous="NORMAL"` a commit need not be on the disk at once: power loss may cost the last rows, never the
    file.
    """

    def __init__(
        self, path: Path, tree: Tree, key_checks: Mapping[str, bytes], synchronous: Literal["NORMAL", "FULL"]
    ) -> None:
        self._path = path
        self._tree = tree
        self._key_checks = key_checks
        self._synchronous = synchronous
        self._engine: sa.Engine | None = None
        self._identity: files.Identity | None = None

    def run(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement for all rows, or raise a StoreError and for none."""
        self.write(lambda connection: connection.execute(statement, rows))

    def write(self, job: Callable[[sa.Connection], T]) -> T:
        """Run the job in one transaction, and return what it says; or raise a StoreError, and nothing has happened."""
        with held(self._path, _PATIENCE), translated(self._path):
            engine = self._opened()
            try:
                with engine.begin() as connection:
                    return job(connection)
            except sa.exc.DBAPIError:
                self._drop()  # after a disk error nobody vouches for a connection
                raise

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
            self._engine = engines.writing(self._path, _PATIENCE, synchronous=self._synchronous)
            self._identity = identity
            try:
                with self._engine.connect() as connection:
                    verify(connection_runner(connection), self._tree, self._key_checks, self._path)
            except (StoreError, sa.exc.DBAPIError):
                self._drop()
                raise
        return self._engine

    def _drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()
