"""Many rows into a table: by COPY into a temporary one, and from there in one statement, in the order that they have.

The temporary table is gone before the transaction ends, so that this works through a pool of transactions (PgBouncer)
as well. Raises what the driver and SQLAlchemy raise.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.inserting import COLUMNS, KEY, Inserts, Values
from consentmilter.store.schema import CORE_METADATA

if TYPE_CHECKING:  # whoever has SQLite does without the driver
    from psycopg import AsyncConnection as Driver

_FEW = 20
"""So many rows go in one by one: a temporary table costs more."""

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""What means something in the text of a COPY (PostgreSQL's manual on COPY, "Text Format")."""

_NULL = r"\N"


async def put(connection: AsyncConnection, values: Values) -> int:
    """Make or repeat the rows, and return how many were made."""
    columns, table = tuple(values.by_row), values.table.name
    if values.count > _FEW:
        await _stage(connection, values)
        made = await _of_staged(table, columns).run(connection, values.same, values.count)
        await connection.exec_driver_sql("DROP TABLE said")
        return made
    made = 0
    for at, key in enumerate(values.keys):
        row = {_place(name): column[at] for name, column in values.by_row.items()}
        made += await _of_one(table, columns).run(connection, {**values.same, **row, _place("key"): key}, 1)
    return made


async def _stage(connection: AsyncConnection, values: Values) -> None:
    """Put the rows into a temporary table."""
    types = {"key": KEY, **{name: COLUMNS[name] for name in values.by_row}}
    columns = ", ".join(f"{name} {type_.compile(connection.dialect)}" for name, type_ in types.items())
    await connection.exec_driver_sql(f"CREATE TEMPORARY TABLE said ({columns})")
    keys = [rf"\\x{key.hex()}" for key in values.keys]
    rows = map("\t".join, zip(keys, *map(_cells, values.by_row.values()), strict=True))
    driver = cast("Driver[Any]", (await connection.get_raw_connection()).driver_connection)
    async with driver.cursor() as cursor, cursor.copy("COPY said FROM STDIN") as copy:
        await copy.write("\n".join(rows))


@cache
def _of_staged(table: str, columns: Sequence[str]) -> Inserts:
    said = sa.table("said", sa.column("key", KEY), *(sa.column(name, COLUMNS[name]) for name in columns))
    return Inserts.of(said, CORE_METADATA.tables[table])


@cache
def _of_one(table: str, columns: Sequence[str]) -> Inserts:
    types = {"key": KEY, **{name: COLUMNS[name] for name in columns}}
    cells = (sa.bindparam(_place(name), type_=type_).label(name) for name, type_ in types.items())
    return Inserts.of(sa.select(*cells).subquery("said"), CORE_METADATA.tables[table])


def _place(name: str) -> str:
    """The parameter that is a row's own."""
    return f"said_{name}"


def _cells(column: Sequence[object]) -> list[str]:
    """A column in the text format of COPY."""
    texts = ["" if cell is None else str(cell) for cell in column]
    if _SPECIAL.search("".join(texts)):  # one look at all, since hardly any has something
        texts = [text.translate(_ESCAPED) for text in texts]
    if None in column:
        return [_NULL if cell is None else text for cell, text in zip(column, texts, strict=True)]
    return texts
