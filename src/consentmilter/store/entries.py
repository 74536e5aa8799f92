"""Statements about the ledger: append an entry with its evidence, and read them back."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import Entry
from consentmilter.store.rows import seconds, to_entry
from consentmilter.store.schema import ledger, ledger_evidence


async def append(connection: AsyncConnection, entry: Entry) -> None:
    """Write an entry in the transaction of the change that it tells of."""
    inserted = await connection.execute(
        sa.insert(ledger).values(
            at=seconds(entry.at),
            actor=entry.actor,
            source=entry.source,
            action=str(entry.action),
            batch=entry.batch,
            subject=entry.subject,
            scope=entry.scope,
            reason=None if entry.reason is None else str(entry.reason),
            count=entry.count,
            digest=entry.digest,
            commitment=entry.commitment,
        )
    )
    if entry.evidence is not None:
        evidence = {"salt": entry.evidence.salt, "data": dict(entry.evidence.data)}
        (ledger_id,) = inserted.inserted_primary_key or (None,)
        await connection.execute(sa.insert(ledger_evidence).values(ledger_id=ledger_id, **evidence))


async def of_subjects(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Entry]:
    """Every entry about these subjects, the oldest first."""
    rows = await connection.execute(
        sa.select(ledger, ledger_evidence.c.salt, ledger_evidence.c.data)
        .outerjoin(ledger_evidence, ledger_evidence.c.ledger_id == ledger.c.id)
        .where(ledger.c.subject.in_(subjects))
        .order_by(ledger.c.id)
    )
    return [to_entry(row) for row in rows]
