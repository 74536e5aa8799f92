"""Statements about failures that may pass, counted by the day."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.dialect import upsert
from consentmilter.store.schema import soft_bounce


async def add(connection: AsyncConnection, subject: bytes, scope: str, day: int) -> None:
    """Count one failure on this day (days since 1970-01-01)."""
    row = {"subject": subject, "scope": scope, "day": day, "count": 1}
    key = [soft_bounce.c.subject, soft_bounce.c.scope, soft_bounce.c.day]
    once_more = upsert(soft_bounce).values(row)
    once_more = once_more.on_conflict_do_update(index_elements=key, set_={"count": soft_bounce.c.count + 1})
    await connection.execute(once_more)


async def days(connection: AsyncConnection, subject: bytes, scope: str, since: int) -> int:
    """On how many days from `since` on something failed."""
    query = sa.select(sa.func.count()).where(*_of(subject, scope), soft_bounce.c.day >= since)
    return await connection.scalar(query) or 0


async def forget(connection: AsyncConnection, subject: bytes, scope: str, before: int) -> None:
    """Drop the days before `before`, which count no more."""
    await connection.execute(sa.delete(soft_bounce).where(*_of(subject, scope), soft_bounce.c.day < before))


def _of(subject: bytes, scope: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return soft_bounce.c.subject == subject, soft_bounce.c.scope == scope
