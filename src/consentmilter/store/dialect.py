"""Where SQLite and PostgreSQL speak differently; the one module to change for a statement that must suit both."""

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement, Executable
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

SQLITE = sqlite.dialect()
"""What statements are compiled for that go to the driver as they are; their places are `?`."""

# The driver counts the rows of a statement only if it begins with INSERT, not with the WITH of one.
SQLITE.cte_follows_insert = True


def upsert(table: sa.Table) -> "Insert":
    """INSERT with ON CONFLICT, which both have and SQLAlchemy's common insert has not; it compiles for either.

    Name the columns of a conflict with `index_elements`: PostgreSQL could have a constraint there as well.
    """
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - it takes long to load, and many only read

    return postgresql.Insert(table)


class Either(Executable, ClauseElement):
    """A statement that each of them says in words of its own."""

    inherit_cache = False

    def __init__(self, *, sqlite: str, postgresql: str) -> None:
        self.words = {"sqlite": sqlite, "postgresql": postgresql}


@compiles(Either)
def _either(statement: Either, compiler: SQLCompiler, **_options: object) -> str:
    return statement.words[compiler.dialect.name]
