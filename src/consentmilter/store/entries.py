"""Statements about the ledger: append entries with their evidence, sealed at once, and read them back."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import Action, Entry
from consentmilter.store import seals
from consentmilter.store.rows import moment, seconds, to_entry
from consentmilter.store.schema import ledger, ledger_evidence

_APPEND = sa.insert(ledger).returning(ledger.c.id, sort_by_parameter_order=True)
_TOLD = sa.select(ledger, ledger_evidence.c.salt, ledger_evidence.c.data).outerjoin(
    ledger_evidence, ledger_evidence.c.ledger_id == ledger.c.id
)


async def append(connection: AsyncConnection, entry: Entry) -> None:
    """Write an entry in the transaction of the change that it tells of."""
    await append_all(connection, [entry])


async def append_all(connection: AsyncConnection, told: Sequence[Entry]) -> None:
    """Write entries, in their order, in the transaction of the changes that they tell of."""
    if not told:
        return
    inserted = await connection.execute(_APPEND, [_values(entry) for entry in told])
    evidence = [
        {"ledger_id": ledger_id, "salt": entry.evidence.salt, "data": dict(entry.evidence.data)}
        for ledger_id, entry in zip(inserted.scalars(), told, strict=True)
        if entry.evidence is not None
    ]
    if evidence:
        await connection.execute(sa.insert(ledger_evidence), evidence)
    await seals.seal(connection)


async def of_subjects(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Entry]:
    """Every entry about these subjects, the oldest first."""
    rows = await connection.execute(_TOLD.where(ledger.c.subject.in_(subjects)).order_by(ledger.c.id))
    return [to_entry(row) for row in rows]


async def page(connection: AsyncConnection, after: int, rows: int, since: datetime | None = None) -> list[Entry]:
    """Up to `rows` entries behind the one with the id `after`, of that time or later."""
    query = _TOLD.where(ledger.c.id > after).order_by(ledger.c.id).limit(rows)
    if since is not None:
        query = query.where(ledger.c.at >= seconds(since))
    return [to_entry(row) for row in await connection.execute(query)]


async def of_batches(connection: AsyncConnection, batches: Sequence[str]) -> list[Entry]:
    """Every entry about whole chunks of these imports, the oldest first."""
    theirs = (ledger.c.batch.in_(batches), ledger.c.subject.is_(None))
    return [to_entry(row) for row in await connection.execute(_TOLD.where(*theirs).order_by(ledger.c.id))]


async def lifts_of(connection: AsyncConnection, batch: str) -> list[Entry]:
    """Every entry that lifted a person's row of this import, the oldest first."""
    theirs = (ledger.c.batch == batch, ledger.c.action == Action.LIFT.value, ledger.c.subject.is_not(None))
    return [to_entry(row) for row in await connection.execute(_TOLD.where(*theirs).order_by(ledger.c.id))]


async def last_of(connection: AsyncConnection, action: Action) -> datetime | None:
    """When something of this kind was done last."""
    at = await connection.scalar(sa.select(sa.func.max(ledger.c.at)).where(ledger.c.action == action.value))
    return None if at is None else moment(at)


def _values(entry: Entry) -> dict[str, object]:
    return {
        "at": seconds(entry.at),
        "actor": entry.actor,
        "source": entry.source,
        "action": str(entry.action),
        "batch": entry.batch,
        "subject": entry.subject,
        "scope": entry.scope,
        "reason": None if entry.reason is None else str(entry.reason),
        "count": entry.count,
        "digest": entry.digest,
        "commitment": entry.commitment,
    }
