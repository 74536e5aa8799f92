"""Many rows into a table by COPY: straight there, but those of people who stand by way of a temporary table.

COPY knows no ON CONFLICT. Who writes holds the one lock of all writers, so what does not stand when it is looked for
does not when it is made. The temporary table is gone before the transaction ends, so that this works through a pool of
transactions (PgBouncer) as well. Raises what the driver and SQLAlchemy raise.
"""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.inserting import COLUMNS, KEY, Inserts
from consentmilter.store.postgres import copy_binary
from consentmilter.store.postgres.copy_binary import Copy
from consentmilter.store.schema import CORE_METADATA
from consentmilter.store.values import Values

if TYPE_CHECKING:  # whoever has SQLite does without the driver
    from psycopg import AsyncConnection as Driver

_FEW = 20
"""So many rows go in one by one: a temporary table costs more."""


async def put(connection: AsyncConnection, values: Values, written: Copy | None = None) -> int:
    """Make or repeat the rows, in the order of their keys, which may be written already; return how many were made."""
    if written is None and values.count <= _FEW:
        return await _put_each(connection, values)
    new = written or copy_binary.made(values)
    standing = await _standing(connection, values, new)
    if not standing:
        await _copy(connection, values.table, new)
        return new.count
    stand = [key in standing for key in values.keys]
    made = values.count - sum(stand)
    if made:
        await _copy(connection, values.table, copy_binary.made(values.only([not each for each in stand])))
    return made + await _put_staged(connection, values.only(stand))


async def _put_each(connection: AsyncConnection, values: Values) -> int:
    columns = tuple(values.by_row)
    made = 0
    for at, key in enumerate(values.keys):
        row = {_place(name): column[at] for name, column in values.by_row.items()}
        made += await _of_one(values.table, columns).run(connection, {**values.same, **row, _place("key"): key}, 1)
    return made


async def _put_staged(connection: AsyncConnection, values: Values) -> int:
    types = {"key": KEY, **{name: COLUMNS[name] for name in values.by_row}}
    columns = ", ".join(f"{name} {type_.compile(connection.dialect)}" for name, type_ in types.items())
    await connection.exec_driver_sql(f"CREATE TEMPORARY TABLE said ({columns})")
    await _copy(connection, "said", copy_binary.staged(values))
    made = await _of_staged(values.table, tuple(values.by_row)).run(connection, values.same, values.count)
    await connection.exec_driver_sql("DROP TABLE said")
    return made


async def _standing(connection: AsyncConnection, values: Values, new: Copy) -> set[bytes]:
    """Those of the keys of which the table has rows."""
    next_there = await connection.scalar(_next_of(values.table), {"first": new.first})
    if next_there is None or next_there > new.last:
        return set()
    return set(await connection.scalars(_those_of(values.table), {"keys": list(values.keys)}))


async def _copy(connection: AsyncConnection, table: str, rows: Copy) -> None:
    driver = cast("Driver[Any]", (await connection.get_raw_connection()).driver_connection)
    into = f"COPY {table} ({', '.join(rows.columns)}) FROM STDIN (FORMAT BINARY)"
    async with driver.cursor() as cursor, cursor.copy(into) as copy:
        await copy.write(rows.octets)


@cache
def _next_of(table: str) -> sa.Select[Any]:
    return _next(CORE_METADATA.tables[table].c[0], sa.bindparam("first", type_=KEY))


@cache
def _those_of(table: str) -> sa.Select[Any]:
    key = sa.func.unnest(sa.bindparam("keys", type_=ARRAY(KEY)), type_=KEY).column_valued("key")
    found = _next(CORE_METADATA.tables[table].c[0], key).lateral("found")
    return sa.select(key).join(found, found.c[0] == key)


def _next(held: sa.Column[Any], key: sa.ColumnElement[bytes]) -> sa.Select[Any]:
    """The first key that a table has from this one on: in this order, whatever a server thinks of it, by the index."""
    return sa.select(held).where(held >= key).order_by(held).limit(sa.literal_column("1"))


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
