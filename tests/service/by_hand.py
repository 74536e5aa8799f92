"""A store's database as an administrator's own tools open it: with no care for lock, schema, keys or rights."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.types.json import set_json_loads


class Hand:
    """One connection, each statement committed by itself; places in it are `?`, and JSON comes as text."""

    def __init__(self, connection: sqlite3.Connection | psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> int:
        """Run a statement, and say how many rows it touched."""
        return self._run(statement, values).rowcount

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        return list(self._run(query, values).fetchall())

    def _run(self, statement: str, values: Sequence[object]) -> "sqlite3.Cursor | psycopg.Cursor":
        if isinstance(self._connection, sqlite3.Connection):
            return self._connection.execute(statement, values)
        # Without values, a % is only that.
        return self._connection.execute(statement.replace("?", "%s").encode(), values or None)


@contextmanager
def by_hand(url: str) -> Iterator[Hand]:
    """The database of this URL."""
    connection = _sqlite(url) if is_sqlite(url) else _postgresql(url)
    try:
        yield Hand(connection)
    finally:
        connection.close()


def rows(url: str, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    """What the database holds."""
    with by_hand(url) as hand:
        return hand.rows(query, values)


def is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:")


def file_of(url: str) -> Path:
    """The file of an SQLite store."""
    return Path(url.removeprefix("sqlite:///"))


def octets(url: str, value: bytes) -> str:
    """Octets as the database's own literal."""
    return f"x'{value.hex()}'" if is_sqlite(url) else f"'\\x{value.hex()}'::bytea"


def _sqlite(url: str) -> sqlite3.Connection:
    return sqlite3.connect(file_of(url), isolation_level=None, timeout=5)


def _postgresql(url: str) -> psycopg.Connection:
    connection = psycopg.connect(url, autocommit=True)
    set_json_loads(lambda text: text if isinstance(text, str) else text.decode(), connection)
    return connection
