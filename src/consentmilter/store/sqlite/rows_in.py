"""Many rows into a table, several hundred in each statement.

The statements are in the driver's own language and their values go to it as they are: SQLAlchemy's handling of each
would double the time of an import, and to compile a statement of many rows takes as long as the rows do.
"""

from collections.abc import Sequence
from functools import cache

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.compiler import SQLCompiler

from consentmilter.store.dialect import SQLITE
from consentmilter.store.inserting import COLUMNS, KEY, Inserts
from consentmilter.store.schema import CORE_METADATA
from consentmilter.store.values import Values

_SIZES = (1000, 100, 10, 1)
"""Numbers of rows that a statement exists for. SQLite takes 32,766 values at most, and larger ones gain nothing."""


async def put(connection: AsyncConnection, values: Values) -> int:
    """Make or repeat the rows, and return how many were made."""
    made = await _run(connection, values, repeat=False)
    if made < values.count:
        # What was made a moment ago is of this batch, or of this very assertion, and stays as it is.
        await _run(connection, values, repeat=True)
    return made


async def _run(connection: AsyncConnection, values: Values, *, repeat: bool) -> int:
    """Run the statements of one kind over all rows, and return how many rows they touched."""
    shape = values.table, tuple(values.by_row)
    same = [values.same[name] for name in _parameters(*shape, repeat=repeat)]
    touched = start = 0
    for size in _SIZES:
        end = start + (values.count - start) // size * size
        if end > start:
            # All pieces of a size at once: each call crosses to the driver's thread and back.
            pieces = [(*_rows(values, at, size), *same) for at in range(start, end, size)]
            touched += (await connection.exec_driver_sql(_statement(*shape, size, repeat=repeat), pieces)).rowcount
        start = end
    return touched


def _rows(values: Values, start: int, size: int) -> list[object]:
    """What so many rows say, one after the other."""
    columns = (values.keys, *values.by_row.values())
    told: list[object] = [None] * (size * len(columns))
    for place, column in enumerate(columns):
        told[place :: len(columns)] = column[start : start + size]
    return told


@cache
def _statement(table: str, columns: Sequence[str], size: int, *, repeat: bool) -> str:
    """The insert of so many rows; its values are those of the rows, then what is the same for all."""
    row = f"({', '.join('?' * (1 + len(columns)))})"
    return str(_of_one(table, columns, repeat=repeat)).replace(row, ", ".join([row] * size), 1)


@cache
def _parameters(table: str, columns: Sequence[str], *, repeat: bool) -> Sequence[str]:
    """What is the same for all rows, in the order in which the statement wants it."""
    names = _of_one(table, columns, repeat=repeat).positiontup
    assert names is not None
    return names[1 + len(columns) :]


@cache
def _of_one(table: str, columns: Sequence[str], *, repeat: bool) -> SQLCompiler:
    """The insert of one row."""
    types = {"key": KEY, **{name: COLUMNS[name] for name in columns}}
    row = tuple(sa.bindparam(f"said_{name}", type_=type_) for name, type_ in types.items())
    said = sa.values(*(sa.column(name, type_) for name, type_ in types.items()), name="said").data([row]).cte()
    inserts = Inserts.of(said, CORE_METADATA.tables[table])
    compiled = (inserts.repeat if repeat else inserts.make).compile(dialect=SQLITE)
    assert isinstance(compiled, SQLCompiler)
    return compiled
