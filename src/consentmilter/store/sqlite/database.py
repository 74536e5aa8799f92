"""A store in a file: the Database of `consentmilter.store.databases` for SQLite.

Raises StoreError and its kinds, as `consentmilter.store.sqlite.files` and `consentmilter.store.sqlite.faults` say.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from consentmilter.store.check import connection_runner, verify
from consentmilter.store.condition import Condition
from consentmilter.store.dialect import SQLITE
from consentmilter.store.schema import Tree
from consentmilter.store.sqlite import engines, files
from consentmilter.store.sqlite.background import BackgroundFile
from consentmilter.store.sqlite.faults import translated
from consentmilter.store.sqlite.lock import held
from consentmilter.store.sqlite.pool import Pool

if TYPE_CHECKING:
    from consentmilter.store.sqlite.sessions import Reading, Writing

T = TypeVar("T")

_READING_PATIENCE = 5.0


class SqliteDatabase:
    """One database file."""

    dialect = SQLITE
    copies = False

    def __init__(self, url: str) -> None:
        self.file = files.database_path(url)

    @property
    def name(self) -> str:
        return str(self.file)

    def create(self) -> None:
        files.create_database(self.file)

    def look(self, job: Callable[[sa.Connection], T], patience: float = 10.0) -> T:
        files.require(self.file)
        engine = engines.reading(self.file, patience)
        with translated(self.file):
            try:
                with engine.connect() as connection:
                    return job(connection)
            finally:
                engine.dispose()

    def make(self, job: Callable[[sa.Connection], T], patience: float = 10.0) -> T:
        with self._writing(patience) as connection:
            return job(connection)

    def select(self, tree: Tree, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        files.require(self.file)
        with translated(self.file), engines.reading(self.file, _READING_PATIENCE).connect() as connection:
            verify(connection_runner(connection), tree, {}, self.file)
            return [dict(row) for row in connection.execute(query).mappings()]

    def change(self, tree: Tree, job: Callable[[sa.Connection], T], patience: float = 10.0) -> T:
        with self._writing(patience) as connection:
            verify(connection_runner(connection), tree, {}, self.file)
            return job(connection)

    def behind(self, tree: Tree, key_checks: Mapping[str, bytes], *, durable: bool) -> BackgroundFile:
        return BackgroundFile(self.file, tree, key_checks, synchronous="FULL" if durable else "NORMAL")

    def reads(self, key_checks: Mapping[str, bytes], patience: float) -> "Reading":
        from consentmilter.store.sqlite.sessions import Reading  # noqa: PLC0415 - no asyncio on the mail path

        files.require(self.file)
        return Reading(self.file, key_checks, patience)

    def writes(self, key_checks: Mapping[str, bytes], patience: float) -> "Writing":
        from consentmilter.store.sqlite.sessions import Writing  # noqa: PLC0415 - no asyncio on the mail path

        return Writing(self.file, key_checks, patience)

    def pool(self, key_checks: Mapping[str, bytes], clock: Callable[[], float]) -> Pool:
        return Pool(self.file, key_checks, clock)

    def condition(self) -> Condition:
        from consentmilter.store.sqlite import upkeep  # noqa: PLC0415 - not for the mail path

        return self.look(lambda connection: upkeep.condition(self.file, connection))

    def back_up(self, file: Path) -> None:
        from consentmilter.store.sqlite import upkeep  # noqa: PLC0415 - not for the mail path

        with translated(self.file):
            upkeep.back_up(self.file, file)

    @contextmanager
    def _writing(self, patience: float) -> Iterator[sa.Connection]:
        """A connection in a transaction, under the lock; closing it inside the lock checkpoints."""
        path: Path = self.file
        files.require(path)
        with held(path, patience), translated(path):
            engine = engines.writing(path, patience)
            try:
                with engine.begin() as connection:
                    yield connection
            finally:
                engine.dispose()
