"""aiosqlite's connection, with cursors that cross to its thread and back once for a statement, in place of four times.

SQLAlchemy makes a cursor, executes, fetches all rows and closes it, and each of these would be a crossing; a change has
some ten statements, and a crossing takes longer than most of them.
"""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Self

import aiosqlite


class Connection(aiosqlite.Connection):
    """For SQLAlchemy's adapter, which knows no other way to a cursor than `cursor`."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connect, iter_chunk_size=1)  # nothing is read in pieces

    def cursor(self) -> "Cursor":  # type: ignore[override]  # its own one is made in the thread
        return Cursor(self)

    async def run(self, function: Callable[..., Any], *arguments: object) -> None:
        """Run a function of the driver's connection in the thread."""
        await self._execute(lambda: function(self._conn, *arguments))  # type: ignore[no-untyped-call]  # aiosqlite's gap


class Cursor:
    """What became of one statement; the driver's cursor is closed by then."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Sequence[object] = ()) -> Self:
        await self._connection.run(self._run, sqlite3.Cursor.execute, statement, parameters)
        return self

    async def executemany(self, statement: str, parameters: Sequence[Sequence[object]]) -> Self:
        await self._connection.run(self._run, sqlite3.Cursor.executemany, statement, parameters)
        return self

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open."""

    def _run(self, driver: sqlite3.Connection, execute: Callable[..., object], *arguments: object) -> None:
        cursor = driver.cursor()
        try:
            execute(cursor, *arguments)
            self._rows = cursor.fetchall() if cursor.description else []
            self.description, self.rowcount, self.lastrowid = cursor.description, cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()
