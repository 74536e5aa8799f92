"""The laboratory's PostgreSQL."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from lab.directory import public_directory
from lab.postgres import PostgreSql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with public_directory() as directory, PostgreSql(directory) as server:
        yield server


def test_it_holds_what_is_written_through_a_crash(server: PostgreSql) -> None:
    """Killed and started again, it has its databases."""
    server.make_database("kept")
    server.execute("CREATE TABLE thing (n int)", "kept")
    server.execute("CHECKPOINT")
    server.crash()
    with pytest.raises(psycopg.OperationalError):
        server.execute("SELECT 1")
    server.start()
    assert server.execute("SELECT count(*) FROM thing", "kept") == [(0,)]


def test_a_database_is_a_copy_of_its_template(server: PostgreSql) -> None:
    """And goes whoever is connected to it."""
    server.make_database("first")
    server.execute("CREATE TABLE thing AS SELECT 1 AS n", "first")
    url = server.make_database("second", template="first")
    with closing(psycopg.connect(url)) as connection:
        assert connection.execute("SELECT n FROM thing").fetchall() == [(1,)]
        server.drop_database("second")
    assert server.execute("SELECT 1 FROM pg_database WHERE datname = 'second'") == []


def test_it_is_gone_after_its_stop_while_clients_are_connected() -> None:
    """It does not wait for them to leave."""
    with public_directory() as directory:
        with PostgreSql(directory) as server:
            connection = psycopg.connect(server.url("postgres"))
        assert not server.process.running
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        connection.close()
