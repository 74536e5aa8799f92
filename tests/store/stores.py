"""Stores of every kind for tests: SQLite files, and databases of one PostgreSQL server a test process.

The server starts with the first test that asks for it. A database is a copy of a template that was migrated once, and
is dropped after its test.
"""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import pytest

from consentmilter.store.migrate import migrate, record_keys
from consentmilter.store.schema import JOURNAL
from lab.directory import public_directory
from lab.postgres import PostgreSql
from tests.store.support import KEYS, make_store

KINDS = ("sqlite", "postgresql")

both_stores = pytest.mark.parametrize("kind", KINDS, indirect=True)
"""Runs a test that asks for `url`, `journal_url` or `kind` once on each; without it they are of SQLite."""

TEMPLATE = "migrated"


class Postgres:
    """The server of this process, and the databases that the current test had of it."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._names: list[str] = []
        self._numbers = itertools.count()

    @cached_property
    def server(self) -> PostgreSql:
        """The server, started when it is first asked for."""
        directory = self._stack.enter_context(public_directory())
        server = self._stack.enter_context(PostgreSql(directory))
        url = server.make_database(TEMPLATE)
        migrate(url)
        migrate(url, JOURNAL)
        record_keys(url, KEYS)
        return server

    def database(self, template: str = TEMPLATE) -> str:
        """The URL of a new database: by default a store and journal that know `KEYS`; of `template0` it is empty."""
        server, name = self.server, f"test{next(self._numbers)}"
        self._names.append(name)
        return server.make_database(name, template)

    def drop_all(self) -> None:
        """Drop what the test had."""
        while self._names:
            self.server.drop_database(self._names.pop())

    def stop(self) -> None:
        self._stack.close()


POSTGRES = Postgres()


def new_store(kind: str, directory: Path) -> str:
    """The URL of a new store that knows `KEYS`, in the directory or on the server, which lasts as long as the test."""
    return make_store(directory) if kind == "sqlite" else POSTGRES.database()


def new_journal(kind: str, directory: Path) -> str:
    """The URL of a new journal."""
    if kind != "sqlite":
        return POSTGRES.database()
    url = f"sqlite:///{directory / 'journal.db'}"
    migrate(url, JOURNAL)
    return url


@pytest.fixture(scope="session", autouse=True)
def _postgres_stopped() -> Iterator[None]:
    """Stop the server, if any test asked for it, with the last test."""
    yield
    POSTGRES.stop()


@pytest.fixture(autouse=True)
def _databases_dropped() -> Iterator[None]:
    """Drop the databases of each test after it."""
    yield
    POSTGRES.drop_all()


@pytest.fixture(scope="session")
def postgres_server() -> PostgreSql:
    """The server itself, for tests of what is PostgreSQL's alone."""
    return POSTGRES.server


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of store: SQLite, unless `both_stores` says otherwise."""
    return str(getattr(request, "param", "sqlite"))
