"""Many rows into a table by COPY: straight there, but those of people who stand by way of a temporary table.

COPY knows no ON CONFLICT. Who writes holds the one lock of all writers, so what does not stand when it is looked for
does not when it is made. The temporary table is gone before the transaction ends, so that this works through a pool of
transactions (PgBouncer) as well. Raises what the driver and SQLAlchemy raise.
"""

from collections.abc import Container, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import sqlalchemy as sa
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

_SAMPLE = 100
"""So many keys tell whether most of them stand."""

_BY_INDEX = "SET LOCAL enable_seqscan = off; SET LOCAL jit = off"
"""Each key is looked for in the index, whatever the server knows of the table, and no program compiled for it."""


async def put(connection: AsyncConnection, values: Values, written: Copy | None = None) -> int:
    """Make or repeat the rows, in the order of their keys, which may be written already; return how many were made."""
    if written is None and values.count <= _FEW:
        return await _put_each(connection, values)
    new = written or copy_binary.made(values)
    standing: Container[bytes] = ()
    if await _may_stand(connection, values.table, new):
        await connection.exec_driver_sql(_BY_INDEX)
        if await _mostly_stand(connection, values):
            return await _merge(connection, values)
        standing = await _standing(connection, values.table, values.keys)
    if not standing:
        await _copy(connection, values.table, new)
        return new.count
    stand = [key in standing for key in values.keys]
    others = values.only([not each for each in stand])
    await _copy(connection, values.table, copy_binary.made(others))
    return others.count + await _merge(connection, values.only(stand))


async def _merge(connection: AsyncConnection, values: Values) -> int:
    """Put in rows many of which stand."""
    if values.count <= _FEW:
        return await _put_each(connection, values)
    return await _put_staged(connection, values)


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
    made = await connection.scalar(_of_staged(values.table, tuple(values.by_row)), values.same)
    await connection.exec_driver_sql("DROP TABLE said")
    return made or 0


async def _may_stand(connection: AsyncConnection, table: str, new: Copy) -> bool:
    """Whether there is anybody between the first and the last of the rows."""
    next_there = await connection.scalar(_next_of(table), {"first": new.first})
    return next_there is not None and next_there <= new.last


async def _mostly_stand(connection: AsyncConnection, values: Values) -> bool:
    """Whether it is not worth while to put the others in by a way of their own."""
    sample = values.keys[:: max(values.count // _SAMPLE, 1)]
    standing = await _standing(connection, values.table, sample)
    return sum(key in standing for key in sample) > len(sample) / 2


async def _standing(connection: AsyncConnection, table: str, keys: Sequence[bytes]) -> set[bytes]:
    """Those of the keys of which the table has rows."""
    standing: set[bytes] = set()
    for length in set(map(len, keys)):
        alike = [key for key in keys if len(key) == length]
        given = {"keys": b"".join(alike), "count": len(alike), "length": length}
        found = await connection.scalar(_those_of(table), given) or b""
        standing.update(found[at : at + length] for at in range(0, len(found), length))
    return standing


async def _copy(connection: AsyncConnection, table: str, rows: Copy) -> None:
    driver = cast("Driver[Any]", (await connection.get_raw_connection()).driver_connection)
    into = f"COPY {table} ({', '.join(rows.columns)}) FROM STDIN (FORMAT BINARY)"
    async with driver.cursor() as cursor, cursor.copy(into) as copy:
        await copy.write(rows.octets)


@cache
def _next_of(table: str) -> sa.Select[Any]:
    """The first key that a table has from one on: in this order, whatever the server thinks of it, by the index."""
    held = CORE_METADATA.tables[table].c[0]
    first = sa.bindparam("first", type_=KEY)
    return sa.select(held).where(held >= first).order_by(held).limit(sa.literal_column("1"))


@cache
def _those_of(table: str) -> sa.Select[Any]:
    """Those of many keys of one length that stand, in one string both ways: the driver takes long over arrays."""
    number = sa.func.generate_series(0, sa.bindparam("count", type_=sa.Integer) - 1).column_valued("number")
    length = sa.bindparam("length", type_=sa.Integer)
    key = sa.func.substring(sa.bindparam("keys", type_=KEY), number * length + 1, length, type_=KEY)
    said = sa.select(key.label("key")).subquery("said")
    held = CORE_METADATA.tables[table]
    found: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(held).where(held.c[0] == said.c.key)
    there = found.limit(sa.literal_column("1")).lateral("there")
    together = sa.func.string_agg(said.c.key, sa.literal(b"", KEY), type_=KEY)
    return sa.select(together).join(there, sa.true())


@cache
def _of_staged(table: str, columns: Sequence[str]) -> sa.Select[Any]:
    """Make or repeat the rows, and tell how many were made.

    One that was locked to be changed bears its locker's mark (PostgreSQL's manual, "System Columns": xmax).
    """
    said = sa.table("said", sa.column("key", KEY), *(sa.column(name, COLUMNS[name]) for name in columns))
    made = sa.literal_column("xmax = 0", sa.Boolean).label("made")
    put_in = Inserts.of(said, CORE_METADATA.tables[table]).repeat.returning(made).cte("put_in")
    return sa.select(sa.func.count()).select_from(put_in).where(put_in.c.made)


@cache
def _of_one(table: str, columns: Sequence[str]) -> Inserts:
    types = {"key": KEY, **{name: COLUMNS[name] for name in columns}}
    cells = (sa.bindparam(_place(name), type_=type_).label(name) for name, type_ in types.items())
    return Inserts.of(sa.select(*cells).subquery("said"), CORE_METADATA.tables[table])


def _place(name: str) -> str:
    """The parameter that is a row's own."""
    return f"said_{name}"
