"""Statements about mail that waits for somebody to read it, each within a transaction of the caller's."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import review
from consentmilter.store.text import printable


@dataclass(frozen=True, slots=True)
class Review:
    """What a person wrote, of which no rule could tell what it asks for.

    `kind` says what made it unclear. `words` are gone once it is closed; `decision` is then what was decided.
    """

    id: str
    at: datetime
    kind: str
    scope: str
    subject: bytes
    address: str | None = None
    words: str | None = None
    closed: datetime | None = None
    decision: str | None = None


async def add(connection: AsyncConnection, item: Review) -> None:
    times = {"at": seconds(item.at), "closed": None if item.closed is None else seconds(item.closed)}
    await connection.execute(sa.insert(review).values(asdict(item) | times))


async def waiting(connection: AsyncConnection) -> list[Review]:
    """Every item that nobody has decided yet, the oldest first."""
    rows = await connection.execute(sa.select(review).where(review.c.closed.is_(None)).order_by(review.c.at))
    return [_item(row) for row in rows]


async def get(connection: AsyncConnection, item_id: str) -> Review | None:
    row = (await connection.execute(sa.select(review).where(review.c.id == item_id))).first()
    return _item(row) if row else None


async def same_waiting(connection: AsyncConnection, item: Review) -> Review | None:
    """An item that waits already and says the same of the same person: the mail came twice."""
    query = sa.select(review).where(
        review.c.subject == item.subject,
        review.c.scope == item.scope,
        review.c.kind == item.kind,
        review.c.words == (None if item.words is None else printable(item.words)),
        review.c.closed.is_(None),
    )
    row = (await connection.execute(query.limit(1))).first()
    return _item(row) if row else None


async def close(connection: AsyncConnection, item_id: str, at: datetime, decision: str) -> bool:
    """Note what was decided, and forget the words; whether the item still waited."""
    waits = (review.c.id == item_id, review.c.closed.is_(None))
    values = {"closed": seconds(at), "decision": decision, "words": None}
    done = await connection.execute(sa.update(review).where(*waits).values(values))
    return done.rowcount > 0


def _item(row: Any) -> Review:
    closed = None if row.closed is None else moment(row.closed)
    return Review(
        row.id, moment(row.at), row.kind, row.scope, row.subject, row.address, row.words, closed, row.decision
    )
