"""Which kind of database a URL names, and what every kind can do: the one place that decides between them.

What is asynchronous is loaded when it is asked for, and a kind when a URL names it, so that a worker of the mail path
holds neither asyncio nor the other kind's driver. Raises StoreSetupError for a URL that names no database; the rest
raises StoreError and its kinds.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import sqlalchemy as sa

from consentmilter.errors import StoreSetupError
from consentmilter.store.condition import Condition
from consentmilter.store.schema import Tree

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

T = TypeVar("T")

KeyChecks = Mapping[str, bytes]
"""A check value of each key, by the key's id."""

AsyncJob = Callable[["AsyncConnection"], Awaitable[T]]
"""What runs in one transaction of the asynchronous store."""

SyncJob = Callable[[sa.Connection], T]
"""What runs in one transaction of everything synchronous."""


class Lookups(Protocol):
    """Reading connections for many threads, for the mail path."""

    def look_up(self, subjects: Sequence[bytes], digests: Sequence[bytes], deadline: float) -> list[Sequence[Any]]:
        """What stands of these subject keys, and of these digests in hash lists, before a time of the pool's clock."""

    def close(self) -> None: ...


class Behind(Protocol):
    """A tree that one thread writes to from behind: it waits for nobody for long, and can come again."""

    def run(self, statement: sa.Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement for all rows, or raise a StoreError and for none."""

    def write(self, job: SyncJob[T]) -> T:
        """Run the job in one transaction, and return what it says; or raise a StoreError, and nothing has happened."""

    def close(self) -> None: ...


class Reads(Protocol):
    """Asynchronous reads, each of one state of the core tree."""

    async def run(self, job: AsyncJob[T]) -> T: ...

    async def close(self) -> None: ...


class Writes(Protocol):
    """Asynchronous changes of the core tree, one at a time in this process and among all."""

    async def run(self, job: AsyncJob[T], patience: float, *, lasting: bool = True) -> T:
        """Run the job in a transaction, if its turn comes within `patience` seconds; return after the commit.

        One that is not `lasting` need not be on the disk yet; it is when the next lasting one is.
        """

    async def close(self) -> None: ...


class Database(Protocol):
    """One database. Making it opens nothing."""

    @property
    def name(self) -> str:
        """What messages call it: the path of the file, or the URL without password."""

    @property
    def dialect(self) -> sa.Dialect:
        """What statements are compiled for that go to the driver as they are."""

    @property
    def file(self) -> Path | None:
        """The file that it is, or None where a server keeps it."""

    @property
    def copies(self) -> bool:
        """Whether rows go in by COPY, in writing that can be made before."""

    def create(self) -> None:
        """Make it, empty, if it is not there and is ours to make."""

    def look(self, job: SyncJob[T], patience: float = 10.0) -> T:
        """Run the job on one state of the database, whatever it is: no schema or keys are asked for."""

    def make(self, job: SyncJob[T], patience: float = 10.0) -> T:
        """Run the job in one transaction, with no other writer beside it; no schema or keys are asked for."""

    def select(self, tree: Tree, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
        """The rows of a query about this tree, as mappings."""

    def change(self, tree: Tree, job: SyncJob[T], patience: float = 10.0) -> T:
        """Run the job in one transaction, as a writer to this tree."""

    def behind(self, tree: Tree, key_checks: KeyChecks, *, durable: bool) -> Behind:
        """A writer from behind; what is not `durable` may be lost with the power, the last rows first."""

    def reads(self, key_checks: KeyChecks, patience: float) -> Reads:
        """Reads for the asynchronous store; `patience` in seconds for a connection or a lock."""

    def writes(self, key_checks: KeyChecks, patience: float) -> Writes:
        """Changes for the asynchronous store."""

    def pool(self, key_checks: KeyChecks, clock: Callable[[], float]) -> Lookups:
        """Look-ups for the mail path."""

    def condition(self) -> Condition:
        """How it is, apart from what it holds."""

    def back_up(self, file: Path) -> None:
        """Write one state of it into an empty file, and read that through; UsageError where that is a server's work."""


def database(url: str) -> Database:
    """The database that a store URL names."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        from consentmilter.store.sqlite.database import SqliteDatabase  # noqa: PLC0415 - a kind when it is named

        return SqliteDatabase(url)
    if scheme == "postgresql":
        from consentmilter.store.postgres.database import PostgresDatabase  # noqa: PLC0415 - a kind when it is named

        return PostgresDatabase(url)
    # The URL is not quoted: there may be a password in it.
    known = "use sqlite:////absolute/path or postgresql://user@host/database"
    if url.partition("://")[1]:
        raise StoreSetupError(f"{scheme!r} stores are not supported; {known}")
    raise StoreSetupError(f"the store's URL is no URL; {known}")
