"""Statements that take back what an import made, each within a transaction of the caller's.

Only rows count that the batch made and that nobody asserted since. There is no index by batch: `find` walks the table
in key order, as a read that keeps nobody from writing, and `take_out` looks again before it removes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Suppression
from consentmilter.store.rows import to_suppression
from consentmilter.store.schema import hash_suppression, suppression
from consentmilter.store.standing import AS_SUPPRESSION

TABLES = (suppression, hash_suppression)

_COLUMNS = {suppression.name: [*suppression.c], hash_suppression.name: AS_SUPPRESSION}

_SUBJECTS_AT_ONCE = 500


class Counts(NamedTuple):
    """How many rows stand that a batch made: those that nobody asserted since, and the others."""

    alone: int
    asserted_again: int


async def count(connection: AsyncConnection, batch: str) -> Counts:
    """What of a batch stands."""
    found: dict[bool, int] = {}
    for table in TABLES:
        query = sa.select(table.c.asserted_again, sa.func.count()).where(table.c.batch == batch)
        for again, rows in await connection.execute(query.group_by(table.c.asserted_again)):
            found[again] = found.get(again, 0) + rows
    return Counts(found.get(False, 0), found.get(True, 0))


async def find(connection: AsyncConnection, table: sa.Table, batch: str, after: bytes, rows: int) -> list[bytes]:
    """The subjects, or digests, of up to `rows` rows that the batch made alone, behind a subject, in order."""
    key = table.c[0]
    query = sa.select(key).distinct().where(key > after, *_alone(table, batch)).order_by(key).limit(rows)
    return list(await connection.scalars(query))


async def take_out(
    connection: AsyncConnection, table: sa.Table, batch: str, subjects: Sequence[bytes]
) -> list[Suppression]:
    """Remove the rows of these subjects that the batch still made alone, and return them."""
    removed: list[Suppression] = []
    for start in range(0, len(subjects), _SUBJECTS_AT_ONCE):
        chosen = (table.c[0].in_(subjects[start : start + _SUBJECTS_AT_ONCE]), *_alone(table, batch))
        rows = await connection.execute(sa.select(*_COLUMNS[table.name]).where(*chosen))
        removed += map(to_suppression, rows)
        await connection.execute(sa.delete(table).where(*chosen))
    return removed


def _alone(table: sa.Table, batch: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.batch == batch, table.c.asserted_again.is_(False)
