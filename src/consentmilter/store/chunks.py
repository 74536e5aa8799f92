"""Put many rows into the suppressions, or into partners' hash lists, in statements of several hundred rows each.

A row that stands already only ever gets stricter: it is marked as asserted again, and holds as long as the longer of
the two. `put` in `consentmilter.store.suppressions` is the same with one row, so there is one rule for all ways in.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.dialect import DIALECT, upsert
from consentmilter.store.schema import hash_suppression, suppression

Said = tuple[bytes, str, str, int | None, int | None, str | None]
"""What one row says: subject or digest, scope, reason, since when and until when in seconds, and the address.

A plain tuple: of a million of them, making, sorting and keeping each costs.
"""

_SIZES = (1000, 100, 10, 1)
"""Numbers of rows that a statement exists for. SQLite takes 32,766 values at most, and larger ones gain nothing."""

_COLUMNS = {"key": sa.LargeBinary, "scope": sa.Text, "reason": sa.Text,
            "since": sa.BigInteger, "expires": sa.BigInteger, "address": sa.Text}  # fmt: skip

_ROW = f"({', '.join('?' * len(_COLUMNS))})"
"""The place of one row in a statement."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from, what is the same for all of them; `list_name` is there if they belong to a hash list."""

    origin: str
    batch: str | None
    recorded: int
    list_name: str | None = None

    @property
    def table(self) -> sa.Table:
        return suppression if self.list_name is None else hash_suppression

    @property
    def values(self) -> tuple[object, ...]:
        own = (self.origin, self.batch, self.recorded)
        return own if self.list_name is None else (self.list_name, *own)


async def put_rows(connection: AsyncConnection, source: Source, rows: Sequence[Said]) -> int:
    """Make or repeat the suppressions that the rows say, no two of one key, and return how many were made.

    A row that this batch itself made before is left as it is: it has not been asserted by anybody else.
    """
    made = 0
    for piece in _pieces(rows):
        values = (*chain.from_iterable(piece), *source.values)
        size, table = len(piece), source.table.name
        new = (await connection.exec_driver_sql(_statement(table, size, repeat=False), values)).rowcount
        if new < size:
            # What was made a moment ago is of this batch, or of this very assertion: see `_repeated`.
            await connection.exec_driver_sql(_statement(table, size, repeat=True), values)
        made += new
    return made


def _pieces(rows: Sequence[Said]) -> Iterator[Sequence[Said]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


@cache
def _statement(table_name: str, size: int, *, repeat: bool) -> str:
    """The insert of `size` rows in the driver's own language; of rows that stand, it does nothing, or `repeat`s them.

    Its values are those of the rows, then those of the source: SQLAlchemy's own handling of each would double the time
    of an import, and to compile a statement of many rows takes as long as the rows do.
    """
    return _of_one_row(table_name, repeat=repeat).replace(_ROW, ", ".join([_ROW] * size))


def _of_one_row(table_name: str, *, repeat: bool) -> str:
    table = suppression if table_name == suppression.name else hash_suppression
    columns: list[sa.ColumnClause[object]] = [sa.column(name, type_) for name, type_ in _COLUMNS.items()]
    row = tuple(sa.bindparam(column.name, type_=column.type) for column in columns)
    said = sa.values(*columns, name="said").data([row]).cte()
    given = {
        table.c[0].name: said.c["key"],
        "asserted_again": sa.false(),
        "created": sa.func.coalesce(said.c.since, sa.bindparam("recorded", type_=sa.BigInteger)),
        "repeated": sa.null(),
    }
    chosen = [
        given[column.name] if column.name in given
        else said.c[column.name] if column.name in said.c
        else sa.bindparam(column.name, type_=column.type)
        for column in table.columns
    ]  # fmt: skip
    # Without a WHERE, SQLite would take the ON of the conflict for that of a join.
    insert = upsert(table).from_select(list(table.c.keys()), sa.select(*chosen).where(sa.true()))
    keys = list(table.primary_key)
    return str((_repeated(insert, table) if repeat else insert.on_conflict_do_nothing(keys)).compile(dialect=DIALECT))


def _repeated(insert: Insert, held: sa.Table) -> Insert:
    """Where a row stands already, only ever make it hold longer: a missing expiry wins, then the later one."""
    said = insert.excluded
    rule: dict[str, sa.ColumnElement[object]] = {
        "asserted_again": sa.case((held.c.batch == said.batch, held.c.asserted_again), else_=sa.true()),
        "expires": sa.case(
            (sa.or_(held.c.expires.is_(None), said.expires.is_(None)), sa.null()),
            (held.c.expires > said.expires, held.c.expires),
            else_=said.expires,
        ),
        "repeated": sa.case(
            (sa.or_(held.c.batch == said.batch, held.c.repeated >= said.created), held.c.repeated), else_=said.created
        ),
    }
    if "address" in held.c:
        rule["address"] = sa.func.coalesce(held.c.address, said.address)
    return insert.on_conflict_do_update(index_elements=list(held.primary_key), set_=rule)
