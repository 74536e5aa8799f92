"""The laboratory's standby and its pooler."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from lab.directory import public_directory
from lab.pgbouncer import PgBouncer
from lab.postgres import PostgreSql
from lab.process import wait_for
from lab.standby import Pair


def test_a_standby_has_what_was_committed_and_becomes_the_next_primary() -> None:
    """A URL of both leads to whichever can be written to; a pooler before a server refuses what it does not know."""
    with public_directory() as directory, Pair(directory, synchronous=True) as pair:
        pair.primary.make_database("kept")
        _assert_pooler_is_strict(directory, pair)
        with psycopg.connect(pair.url("kept"), autocommit=True) as connection:
            connection.execute("CREATE TABLE thing AS SELECT 1 AS n")
        wait_for(lambda: _things(pair.standby) == [(1,)], "the standby", timeout=60)
        pair.part()
        pair.fail_over()
        with psycopg.connect(pair.url("kept"), autocommit=True) as connection:
            assert connection.info.port == pair.standby.port
            connection.execute("INSERT INTO thing VALUES (2)")


def _things(standby: PostgreSql) -> list[tuple[Any, ...]]:
    """What a standby has replayed so far: a commit waits until it has it on its disk only."""
    try:
        return standby.execute("SELECT n FROM thing", "kept")
    except psycopg.Error:
        return []


def _assert_pooler_is_strict(directory: Path, pair: Pair) -> None:
    with PgBouncer(directory, pair.primary) as pooler:
        with psycopg.connect(pooler.url("kept")) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
            psycopg.connect(pooler.url("kept"), options="-c statement_timeout=1000")
