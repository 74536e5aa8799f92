"""Servers that do not let us in, and databases that we cannot serve from: each is told with what mends it."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from consentmilter.errors import StoreBusyError, StoreError, StoreRefusedError, StoreSetupError
from consentmilter.store.databases import database
from consentmilter.store.journal import Journal
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import CORE
from consentmilter.store.writer import Store
from lab.ports import free_port
from lab.postgres import PostgreSql
from tests.store.stores import POSTGRES
from tests.store.support import KEYS, put, run, subjects


async def opened(url: str) -> None:
    """Open a store and close it."""
    async with Store.open(url, KEYS, lock_timeout=2.0):
        pass


WAYS: list[Callable[[str], object]] = [
    lambda url: run(opened(url)),
    lambda url: Journal(url, on_trouble=print),
    migrate,
]
"""The asynchronous store, what is written from behind, and what `init` does."""


def refusal(url: str) -> str:
    """What each of the ways says; they must agree that somebody has something to mend."""
    told = []
    for way in WAYS:
        with pytest.raises(StoreSetupError) as caught:
            way(url)
        told.append(str(caught.value))
        assert "\n" not in told[-1]
    return told[0]


@pytest.fixture
def role(postgres_server: PostgreSql) -> Iterator[str]:
    """A role that has a password and no rights."""
    postgres_server.execute("CREATE ROLE clerk LOGIN PASSWORD 'right'")
    yield "clerk"
    POSTGRES.drop_all()
    postgres_server.execute("DROP ROLE clerk")


@pytest.fixture
def asked_for_passwords(postgres_server: PostgreSql, role: str) -> Iterator[str]:
    """The same role, who has to show its password."""
    rules = postgres_server.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n{before}")
    postgres_server.execute("SELECT pg_reload_conf()")
    yield role
    rules.write_text(before)
    postgres_server.execute("SELECT pg_reload_conf()")


def test_a_database_that_is_missing(postgres_server: PostgreSql) -> None:
    """A wrong name must not make an empty list that everybody passes."""
    told = refusal(postgres_server.url("typo"))
    assert 'database "typo" does not exist' in told
    assert "create the database, then run `consentmilter init`" in told


def test_a_wrong_password(asked_for_passwords: str) -> None:
    """It is told that it is wrong, and not what it is."""
    url = POSTGRES.database().replace("postgres@", f"{asked_for_passwords}:wrong-secret@")
    told = refusal(url)
    assert "password authentication failed" in told
    assert "put the right user and password into the URL, or into the file that it names" in told
    assert "secret" not in told


def test_a_user_that_there_is_not(postgres_server: PostgreSql) -> None:
    """As the server says."""
    told = refusal(POSTGRES.database().replace("postgres@", "nobody@"))
    assert 'role "nobody" does not exist: put the right user' in told


def test_a_role_without_rights(role: str) -> None:
    """Nothing was granted to it."""
    with pytest.raises(StoreSetupError, match=r"permission denied for table .*: the database role lacks a right"):
        run(opened(POSTGRES.database().replace("postgres@", f"{role}@")))


def test_a_role_that_may_only_read_is_told_at_its_first_change(postgres_server: PostgreSql, role: str) -> None:
    """And reads go on."""
    url = POSTGRES.database()
    with psycopg.connect(url) as connection:
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")

    async def scene() -> None:
        async with Store.open(url.replace("postgres@", f"{role}@"), KEYS) as store:
            with pytest.raises(StoreSetupError, match="lacks a right"):
                await store.write(put(1))
            assert await store.read(subjects) == set()

    run(scene())


def test_a_role_that_may_not_make_tables(role: str) -> None:
    """Since PostgreSQL 15 only the owner of a database may."""
    with pytest.raises(StoreSetupError, match=r"permission denied for schema public.*lacks a right"):
        migrate(POSTGRES.database("template0").replace("postgres@", f"{role}@"))


def test_a_database_in_another_encoding(postgres_server: PostgreSql) -> None:
    """It could not hold every address."""
    postgres_server.execute("CREATE DATABASE latin ENCODING LATIN1 LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StoreSetupError, match="has the encoding LATIN1: make one with ENCODING 'UTF8'"):
            migrate(postgres_server.url("latin"))
    finally:
        postgres_server.drop_database("latin")


def test_a_server_that_is_not_there() -> None:
    """That is nobody's setup: it may be back in a moment."""
    with pytest.raises(StoreError, match="Connection refused") as caught:
        run(opened(f"postgresql://postgres@127.0.0.1:{free_port()}/consent"))
    assert not isinstance(caught.value, StoreSetupError)


def test_a_server_without_a_free_connection_is_busy() -> None:
    """It has a number of them, which other programs may hold."""
    url = POSTGRES.database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} CONNECTION LIMIT 0")
        # The limit is not for superusers.
        connection.execute("CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(StoreBusyError, match="too many connections"):
            run(opened(url.replace("postgres@", "guest@")))
    finally:
        POSTGRES.drop_all()
        POSTGRES.server.execute("DROP ROLE guest")


def test_what_the_database_says_of_a_row_is_not_repeated() -> None:
    """Its details show the row, with a person's address in it."""
    insert = "INSERT INTO suppression (subject, scope, address) VALUES ('\\x00', '*', 'person@example.com')"
    place = database(POSTGRES.database())
    with pytest.raises(StoreRefusedError, match="violates not-null constraint") as caught:
        place.change(CORE, lambda connection: connection.exec_driver_sql(insert))
    assert "person" not in str(caught.value)
