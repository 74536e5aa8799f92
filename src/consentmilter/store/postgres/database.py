"""A store on a server: the Database of `consentmilter.store.databases` for PostgreSQL.

Both trees are in one database. Raises StoreError and its kinds, as `consentmilter.store.postgres.urls` and
`consentmilter.store.postgres.faults` say.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from consentmilter.store.condition import Condition
from consentmilter.store.postgres import opening
from consentmilter.store.postgres.dialect import POSTGRESQL
from consentmilter.store.postgres.transactions import BackgroundServer, changed_once, looked
from consentmilter.store.postgres.urls import server
from consentmilter.store.schema import Tree

if TYPE_CHECKING:
    from consentmilter.store.databases import Lookups
    from consentmilter.store.postgres.sessions import Reading, Writing

T = TypeVar("T")

_READING_PATIENCE = 5.0


class PostgresDatabase:
    """One database of a server."""

    dialect = POSTGRESQL
    file = None
    copies = True

    def __init__(self, url: str) -> None:
        self.server = server(url)

    @property
    def name(self) -> str:
        return self.server.name

    def create(self) -> None:
        """Nothing: whose server it is makes the database."""

    def look(self, job: Callable[[sa.Connection], T], patience: float = 10.0) -> T:
        return looked(self.server, opening.reading(self.name, None, {}, patience), job)

    def make(self, job: Callable[[sa.Connection], T], patience: float = 10.0) -> T:
        return changed_once(self.server, opening.making(self.name, patience), job)

    def select(self, tree: Tree, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        def job(connection: sa.Connection) -> list[Mapping[str, Any]]:
            return [dict(row) for row in connection.execute(query).mappings()]

        return looked(self.server, opening.reading(self.name, tree, {}, _READING_PATIENCE), job)

    def change(self, tree: Tree, job: Callable[[sa.Connection], T], patience: float = 10.0) -> T:
        return changed_once(self.server, opening.writing(self.name, tree, {}, patience), job)

    def behind(self, tree: Tree, key_checks: Mapping[str, bytes], *, durable: bool) -> BackgroundServer:
        """How durable a commit is, is the server's to say."""
        return BackgroundServer(self.server, tree, key_checks)

    def reads(self, key_checks: Mapping[str, bytes], patience: float) -> "Reading":
        from consentmilter.store.postgres.sessions import Reading  # noqa: PLC0415 - no engine of asyncio on the mail path

        return Reading(self.server, key_checks, patience)

    def writes(self, key_checks: Mapping[str, bytes], patience: float) -> "Writing":
        from consentmilter.store.postgres.sessions import Writing  # noqa: PLC0415 - no engine of asyncio on the mail path

        return Writing(self.server, key_checks, patience)

    def pool(self, key_checks: Mapping[str, bytes], clock: Callable[[], float]) -> "Lookups":
        from consentmilter.store.postgres.pool import Pool  # noqa: PLC0415 - for the mail path only

        return Pool(self.server, key_checks, clock)

    def condition(self) -> Condition:
        from consentmilter.store.postgres import upkeep  # noqa: PLC0415 - not for the mail path

        return self.look(upkeep.condition)

    def back_up(self, file: Path) -> None:
        from consentmilter.store.postgres import upkeep  # noqa: PLC0415 - not for the mail path

        upkeep.back_up(self.name)
