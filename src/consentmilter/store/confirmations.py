"""Statements about mails that asked a person whether a request was theirs."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.dialect import upsert
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import confirmation


async def last_sent(connection: AsyncConnection, subject: bytes, scope: str) -> datetime | None:
    """When this person was last asked about this scope."""
    query = sa.select(confirmation.c.sent).where(confirmation.c.subject == subject, confirmation.c.scope == scope)
    sent = await connection.scalar(query)
    return None if sent is None else moment(sent)


async def put(connection: AsyncConnection, subject: bytes, scope: str, sent: datetime) -> None:
    """Note that the person was asked now."""
    row = {"subject": subject, "scope": scope, "sent": seconds(sent)}
    later = upsert(confirmation).values(row)
    key = [confirmation.c.subject, confirmation.c.scope]
    await connection.execute(later.on_conflict_do_update(index_elements=key, set_={"sent": later.excluded.sent}))
