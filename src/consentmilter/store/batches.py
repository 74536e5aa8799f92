"""Statements about import batches."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Reason
from consentmilter.store.rows import moment, seconds, to_reason
from consentmilter.store.schema import consent, hash_suppression, import_batch, suppression


@dataclass(frozen=True, slots=True)
class Batch:
    """One import of one file.

    The counts are there once it is finished: rows read, of them new, known, bad, and skipped because they were no
    opt-outs. `undone` is when it was taken back.
    """

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
    skipped: int = 0
    undone: datetime | None = None


async def add(connection: AsyncConnection, batch: Batch) -> None:
    await connection.execute(sa.insert(import_batch).values(_values(batch)))


async def find(connection: AsyncConnection, digest: bytes, scope: str, reason: Reason) -> Batch | None:
    """The latest batch of a file with this digest, asserted in this scope for this reason; not one that was undone."""
    same = (import_batch.c.digest == digest, import_batch.c.scope == scope, import_batch.c.reason == str(reason))
    found = await _select(connection, 1, *same, import_batch.c.undone.is_(None))
    return found[0] if found else None


async def get(connection: AsyncConnection, batch_id: str) -> Batch | None:
    found = await _select(connection, 1, import_batch.c.id == batch_id)
    return found[0] if found else None


async def latest(connection: AsyncConnection, count: int) -> list[Batch]:
    """The batches that were begun last, the latest first."""
    return await _select(connection, count)


async def count_made(connection: AsyncConnection, batch_id: str) -> int:
    """How many suppressions and consents stand that a batch made."""
    made = 0
    for table in (suppression, hash_suppression, consent):
        made += await connection.scalar(sa.select(sa.func.count()).where(table.c.batch == batch_id)) or 0
    return made


async def finish(connection: AsyncConnection, ended: Batch) -> None:
    """Write down the end of a batch and its counts."""
    await connection.execute(sa.update(import_batch).where(import_batch.c.id == ended.id).values(_values(ended)))


async def mark_undone(connection: AsyncConnection, batch_id: str, at: datetime) -> None:
    """Write down when a batch was undone; what was written first stays."""
    chosen = (import_batch.c.id == batch_id, import_batch.c.undone.is_(None))
    await connection.execute(sa.update(import_batch).where(*chosen).values(undone=seconds(at)))


def _values(batch: Batch) -> dict[str, object]:
    times = {"started": batch.started, "finished": batch.finished, "undone": batch.undone}
    told = {name: None if time is None else seconds(time) for name, time in times.items()}
    return asdict(batch) | told | {"reason": batch.reason.value}


async def _select(connection: AsyncConnection, count: int, *chosen: sa.ColumnElement[bool]) -> list[Batch]:
    query = (
        sa.select(import_batch).where(*chosen).order_by(import_batch.c.started.desc(), import_batch.c.id).limit(count)
    )
    return [_to_batch(row) for row in (await connection.execute(query)).mappings()]


def _to_batch(row: sa.RowMapping) -> Batch:
    times = {name: None if row[name] is None else moment(row[name]) for name in ("started", "finished", "undone")}
    return Batch(**{**row, **times, "reason": to_reason(row["reason"])})
