"""Statements about import batches."""

from dataclasses import asdict, dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Reason
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import import_batch, suppression


@dataclass(frozen=True, slots=True)
class Batch:
    """One import of one file. The counts are there once it is finished: rows read, of them new, known and bad."""

    id: str
    file: str
    digest: bytes
    actor: str
    scope: str
    reason: Reason
    started: datetime
    finished: datetime | None = None
    rows: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0


async def add(connection: AsyncConnection, batch: Batch) -> None:
    await connection.execute(sa.insert(import_batch).values(_values(batch)))


async def find(connection: AsyncConnection, digest: bytes, scope: str, reason: Reason) -> Batch | None:
    """The latest batch of a file with this digest, asserted in this scope for this reason."""
    same = (import_batch.c.digest == digest, import_batch.c.scope == scope, import_batch.c.reason == str(reason))
    return await _first(connection, sa.select(import_batch).where(*same).order_by(import_batch.c.started.desc()))


async def get(connection: AsyncConnection, batch_id: str) -> Batch | None:
    return await _first(connection, sa.select(import_batch).where(import_batch.c.id == batch_id))


async def finish(connection: AsyncConnection, batch: Batch, finished: datetime, rows: int, bad: int) -> Batch:
    """Write down the end of a batch and its counts: new is what it made and still stands, known all other good rows."""
    made = sa.select(sa.func.count()).select_from(suppression).where(suppression.c.batch == batch.id)
    new = await connection.scalar(made) or 0
    ended = replace(batch, finished=finished, rows=rows, new=new, known=rows - bad - new, bad=bad)
    await connection.execute(sa.update(import_batch).where(import_batch.c.id == batch.id).values(_values(ended)))
    return ended


def _values(batch: Batch) -> dict[str, object]:
    times = {"started": seconds(batch.started), "finished": None if batch.finished is None else seconds(batch.finished)}
    return asdict(batch) | times | {"reason": str(batch.reason)}


async def _first(connection: AsyncConnection, query: sa.Select[tuple[object, ...]]) -> Batch | None:
    row = (await connection.execute(query.limit(1))).mappings().first()
    if row is None:
        return None
    times = {"started": moment(row["started"]), "finished": moment(row["finished"]) if row["finished"] else None}
    return Batch(**{**row, **times, "reason": Reason(row["reason"])})
