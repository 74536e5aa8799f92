"""Statements about suppressions, each within a transaction of the caller's."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import Insert
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Reason, Suppression
from consentmilter.store.dialect import DIALECT, upsert
from consentmilter.store.rows import seconds, to_suppression
from consentmilter.store.schema import staged_suppression as staged
from consentmilter.store.schema import suppression as held
from consentmilter.store.text import printable

Row = tuple[bytes, str, str, str, str | None, bool, int, int | None, str | None]

_KEYS_AT_ONCE = 1000

_STAGE = str(sa.insert(staged).compile(dialect=DIALECT))
"""For the driver as it is: SQLAlchemy's handling of each value would double the time of an import."""


class Key(NamedTuple):
    """What tells one suppression from another."""

    subject: bytes
    scope: str
    reason: Reason


async def of_subjects(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Suppression]:
    """Every suppression of these subjects, in key order within each thousand of them."""
    distinct = list(dict.fromkeys(subjects))
    query = sa.select(held).where(held.c.subject.in_(sa.bindparam("subjects", expanding=True)))
    query = query.order_by(held.c.subject, held.c.scope, held.c.reason)
    found: list[Suppression] = []
    for start in range(0, len(distinct), _KEYS_AT_ONCE):
        rows = await connection.execute(query, {"subjects": distinct[start : start + _KEYS_AT_ONCE]})
        found.extend(map(to_suppression, rows))
    return found


async def put(connection: AsyncConnection, said: Suppression) -> bool:
    """Make the suppression, or mark the one that stands as asserted again; whether it was made."""
    there = sa.exists().where(held.c.subject == said.subject, held.c.scope == said.scope, held.c.reason == said.reason)
    known = await connection.scalar(sa.select(there))
    await connection.execute(_merge(upsert(held).values(to_row(said))))
    return not known


async def put_all(connection: AsyncConnection, rows: Sequence[Row]) -> int:
    """Do as `put` for many rows, no two of one key, and return how many were made.

    A row that this batch itself made before is left as it is: it has not been asserted by anybody else.
    """
    await connection.run_sync(staged.create)
    await connection.exec_driver_sql(_STAGE, list(rows))
    same_key = sa.and_(*(staged.c[name] == held.c[name] for name in Key._fields))
    known = await connection.scalar(sa.select(sa.func.count()).select_from(staged.join(held, same_key)))
    # Keys are random: in key order, each page of a large table is touched once.
    in_order = sa.select(staged).order_by(staged.c.subject, staged.c.scope, staged.c.reason)
    await connection.execute(_merge(upsert(held).from_select(list(staged.c.keys()), in_order)))
    await connection.run_sync(staged.drop)
    return len(rows) - (known or 0)


async def remove(
    connection: AsyncConnection, subject: bytes, scope: str | None, reason: Reason | None
) -> list[Suppression]:
    """Remove the suppressions of a subject, of one scope or reason if given, and return them."""
    chosen = [held.c.subject == subject]
    if scope is not None:
        chosen.append(held.c.scope == scope)
    if reason is not None:
        chosen.append(held.c.reason == reason)
    rows = await connection.execute(sa.select(held).where(*chosen).order_by(held.c.scope, held.c.reason))
    removed = [to_suppression(row) for row in rows]
    await connection.execute(sa.delete(held).where(*chosen))
    return removed


def to_row(said: Suppression) -> Row:
    """A suppression as its row, the columns in the table's order; rows sort by key."""
    return (
        said.subject,
        printable(said.scope),
        str(said.reason),
        printable(said.origin),
        said.batch,
        said.asserted_again,
        seconds(said.created),
        None if said.expires is None else seconds(said.expires),
        None if said.address is None else printable(said.address),
    )


def _merge(insert: Insert) -> Insert:
    """Where a row stands already, only ever make it hold longer: a missing expiry wins, then the later one."""
    said = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[held.c.subject, held.c.scope, held.c.reason],
        set_={
            "asserted_again": sa.case((held.c.batch == said.batch, held.c.asserted_again), else_=sa.true()),
            "expires": sa.case(
                (sa.or_(held.c.expires.is_(None), said.expires.is_(None)), sa.null()),
                (held.c.expires > said.expires, held.c.expires),
                else_=said.expires,
            ),
            "address": sa.func.coalesce(held.c.address, said.address),
        },
    )
