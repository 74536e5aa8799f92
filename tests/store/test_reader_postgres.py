"""Look-ups on PostgreSQL: one round trip, by index, on the primary only, and nothing that calls back into Python."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.pq.abc import PGconn, PGresult

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.store.postgres import connection, silence
from consentmilter.store.postgres.pool import Pool
from consentmilter.store.reader import Reader
from lab.postgres import PostgreSql
from lab.process import wait_for
from lab.proxy import Proxy
from tests.store.reading import changed, fill, listed, reading
from tests.store.support import KEYS, person, seen, suppressed

GENEROUS = 10.0
"""A deadline for what has to succeed."""


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture
def proxy(postgres_server: PostgreSql) -> Iterator[Proxy]:
    with Proxy(postgres_server.port) as proxy:
        yield proxy


def through(url: str, proxy: Proxy) -> str:
    return f"postgresql://postgres@127.0.0.1:{proxy.port}/{url.rpartition('/')[2]}"


# Round trips and plans


def test_a_thousand_recipients_are_one_round_trip(url: str, proxy: Proxy) -> None:
    """With the keys of their domains and the digests of each; the check of keys and version needs none of its own."""
    people = [person(number) for number in range(1000)]
    domains = [bytes([1]) + person(number)[1:] for number in range(3000)]
    digests = [bytes([2]) * 16 + person(number) for number in range(3000)]
    fill(url, *map(suppressed, range(0, 1000, 2)))
    listed(url, *digests[:700])
    with Reader(through(url, proxy), KEYS, GENEROUS) as reader:
        turns = []
        for _ in range(3):
            found = reader.look_up([*people, *domains], lambda: digests).suppressions
            assert {row.subject for row in found} == {*people[::2], *digests[:700]}
            assert len(found) == 1200
            turns.append(proxy.turns)
    assert turns == [
        4,  # may I encrypt, who I am, the check and the people, and since there is a hash list: the digests
        5,
        6,
    ]


def test_look_ups_go_by_index(url: str) -> None:
    """In tables of some 100,000 rows, and only the question whether there is a hash list at all reads a table."""
    _crowd(url)
    people, digests = [person(number) for number in range(100)], [bytes(31) + b"x"]
    with Reader(url, KEYS, GENEROUS) as reader:
        assert len(reader.look_up(people, lambda: digests).suppressions) == 100
        (statement,) = _statements(reader, people, digests)
    plan = _plan(url, statement)
    assert all(
        any(f"{table}_pkey" in line for line in plan) for table in ("suppression", "consent", "hash_suppression")
    )
    assert _read_through(plan) == {"hash_suppression"}
    # Which shows that this can fail:
    changed(url, "ALTER TABLE consent DROP CONSTRAINT consent_pkey")
    assert _read_through(_plan(url, statement)) == {"hash_suppression", "consent"}


def _plan(url: str, statement: str) -> list[str]:
    return [line for (line,) in seen(url, f"EXPLAIN {statement}")]


def _read_through(plan: list[str]) -> set[str]:
    """The tables that are read from begin to end."""
    return {line.partition("Seq Scan on ")[2].split()[0] for line in plan if "Seq Scan on " in line}


def _crowd(url: str) -> None:
    """Fill the tables, most rows of people that no test asks for."""
    keys = "decode(lpad(to_hex(n), 32, '0'), 'hex')"
    changed(
        url,
        f"INSERT INTO suppression (subject, scope, reason, origin, asserted_again, created) "
        f"SELECT {keys}, '*', 'unsubscribe', 'test', FALSE, 1 FROM generate_series(0, 99999) n",
    )
    changed(
        url,
        f"INSERT INTO consent (subject, stream, state, basis, at, confirmed, origin) "
        f"SELECT {keys}, 'acme', 'granted', 'consent', 1, TRUE, 'test' FROM generate_series(0, 99999) n",
    )
    changed(
        url,
        f"INSERT INTO hash_suppression (digest, scope, reason, list, origin, asserted_again, created) "
        f"SELECT {keys} || {keys}, '*', 'imported', 'l', 'list:l', FALSE, 1 FROM generate_series(0, 99999) n",
    )
    changed(url, "ANALYZE suppression, consent, hash_suppression")


def _statements(reader: Reader, people: list[bytes], digests: list[bytes]) -> list[str]:
    """What a look-up says to the server."""
    pool = reader._pool
    assert isinstance(pool, Pool)
    said: list[str] = []

    def fetch(statement: str, _deadline: float) -> list[Any]:
        said.append(statement)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "fetch", fetch)
        pool.look_up(people, digests, 0.0)
    return said


# The server's part


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody alters the table, and takes long."""
    with closing(psycopg.connect(url)) as altering:
        altering.execute("LOCK TABLE suppression IN ACCESS EXCLUSIVE MODE")
        yield
        altering.rollback()


def _waiting(server: PostgreSql) -> int:
    """How many look-ups wait for a lock in the server."""
    rows = server.execute("SELECT 1 FROM pg_stat_activity WHERE query LIKE '%key_check%' AND wait_event_type = 'Lock'")
    return len(rows)


def _tried(url: str, times: int) -> bool:
    """Look up, in vain."""
    ahead = 0.0
    with Reader(url, KEYS, 0.2, clock=lambda: time.monotonic() + ahead) as reader:
        for _ in range(times):
            with pytest.raises(StoreBusyError):
                reader.look_up([person(1)])
            ahead += 1.0
    return False


def test_the_server_does_not_go_on_for_whom_nobody_waits(url: str, postgres_server: PostgreSql) -> None:
    """Else each try during a long lock would leave another of its processes waiting, until there are no more."""
    with locked(url):
        _tried(url, 3)
        wait_for(lambda: _waiting(postgres_server) == 0, "the end of the look-ups")


def test_a_server_that_is_not_told_goes_on(
    url: str, postgres_server: PostgreSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which shows that the test above can fail."""
    monkeypatch.setattr(connection, "_limit", lambda _left: "SET LOCAL statement_timeout = 0")
    with locked(url):
        wait_for(lambda: _tried(url, 1) or _waiting(postgres_server) > 1, "look-ups that were left", timeout=30.0)


def test_a_process_has_no_more_than_its_share_of_connections(url: str, postgres_server: PostgreSql) -> None:
    """Who gets none waits for one, until the deadline."""
    with reading(url) as reader, ThreadPoolExecutor(8) as threads:

        def look_up(deadline: float) -> int:
            return len(reader._pool.look_up([person(1)], [], time.monotonic() + deadline))

        fill(url, suppressed(1))
        with locked(url):
            asking = [threads.submit(look_up, 30.0) for _ in range(8)]
            wait_for(lambda: _waiting(postgres_server) == 8, "as many look-ups as may be")
            with pytest.raises(StoreBusyError, match="all connections are in use"):
                look_up(0.1)
        assert [each.result() for each in asking] == [1] * 8


def test_a_missing_schema_is_told_with_its_mend(postgres_server: PostgreSql) -> None:
    """As a database that was made and forgotten has none."""
    url = postgres_server.make_database("bare")
    try:
        with reading(url, GENEROUS) as reader, pytest.raises(StoreSetupError, match="run `consentmilter init`"):
            reader.look_up([person(1)])
    finally:
        postgres_server.drop_database("bare")


# Standbys


@pytest.fixture
def posing(url: str) -> str:
    """A database that can be told to pose as a standby's, or as one that takes no changes."""
    name = url.rpartition("/")[2]
    changed(url, f"ALTER DATABASE {name} SET search_path = public, pg_catalog")
    _pose(url, "FALSE")
    return url


def _pose(url: str, standby: str) -> None:
    words = f"CREATE OR REPLACE FUNCTION public.pg_is_in_recovery() RETURNS boolean LANGUAGE sql AS 'SELECT {standby}'"
    with closing(psycopg.connect(url, autocommit=True)) as own:
        own.execute(words)


def test_a_standby_is_never_asked_twice(posing: str) -> None:
    """A connection that leads to one now, by PgBouncer or an address that moved, is not trusted, nor is a new one."""
    ahead = 0.0
    fill(posing, suppressed(1))
    with Reader(posing, KEYS, GENEROUS, clock=lambda: time.monotonic() + ahead) as reader:
        assert len(reader.look_up([person(1)]).suppressions) == 1
        _pose(posing, "TRUE")
        with pytest.raises(StoreError, match="this is a standby, on which consent is not decided"):
            reader.look_up([person(1)])
        pool: Any = reader._pool
        assert not pool._idle
        _pose(posing, "FALSE")
        ahead += 1.0
        assert len(reader.look_up([person(1)]).suppressions) == 1


def test_a_server_that_takes_no_changes_is_not_connected_to(url: str) -> None:
    """Among several hosts it is not the primary; alone it is an error."""
    changed(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")
    with reading(url, GENEROUS) as reader, pytest.raises(StoreError, match="session is read-only"):
        reader.look_up([person(1)])


# Notices


@pytest.fixture
def talkative(url: str) -> str:
    """A database whose server tells every client what it does, from the connection on."""
    changed(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET client_min_messages = debug5")
    return url


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[PGresult]:
    """The notices that reach Python from now on."""
    notices: list[PGresult] = []
    silenced = silence.silence

    def listening(driver: PGconn) -> None:
        driver.notice_handler = notices.append
        silenced(driver)

    monkeypatch.setattr(silence, "silence", listening)
    return notices


def test_a_notice_never_reaches_python(talkative: str, heard: list[PGresult]) -> None:
    """Under libmilter, whose sessions move between threads, a call from libpq ends the process."""
    with reading(talkative, GENEROUS) as reader:
        for _ in range(3):
            assert reader.look_up([person(1)]).suppressions == []
    assert heard == []


def test_without_silence_notices_would_come(
    talkative: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Which shows that the test above can fail."""
    monkeypatch.setattr(silence, "silence", lambda _driver: None)
    heard = request.getfixturevalue("heard")
    with reading(talkative, GENEROUS) as reader:
        assert reader.look_up([person(1)]).suppressions == []
    assert heard
