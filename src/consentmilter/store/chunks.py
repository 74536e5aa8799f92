"""Put many rows into the suppressions, or into partners' hash lists, a chunk in a few statements.

A row that stands already only ever gets stricter: it is marked as asserted again, and holds as long as the longer of
the two. `put` in `consentmilter.store.suppressions` is the same with one row, so there is one rule for all ways in.
How the rows get there is each database's own: see `consentmilter.store.sqlite.rows_in` and `postgres.rows_in`.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.inserting import COLUMNS, Values
from consentmilter.store.postgres import rows_in as postgres
from consentmilter.store.said import Columns
from consentmilter.store.schema import hash_suppression, suppression
from consentmilter.store.sqlite import rows_in as sqlite

_PUT = {"sqlite": sqlite.put, "postgresql": postgres.put}


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
    def values(self) -> dict[str, object]:
        return {"origin": self.origin, "batch": self.batch, "recorded": self.recorded, "list": self.list_name}


async def put_rows(connection: AsyncConnection, source: Source, rows: Columns) -> int:
    """Make or repeat the suppressions that the rows say, no two of one key, and return how many were made.

    A row that this batch itself made before is left as it is: it has not been asserted by anybody else.
    """
    return await _PUT[connection.dialect.name](connection, _values(source, rows))


def _values(source: Source, rows: Columns) -> Values:
    """What the rows say, and what is said of all of them."""
    keys, *told = rows.told
    columns = dict(zip(COLUMNS, told, strict=True))
    by_row = {name: column for name, column in columns.items() if isinstance(column, tuple)}
    same = {name: column for name, column in columns.items() if name not in by_row}
    return Values(source.table, keys, by_row, {**source.values, **same})
