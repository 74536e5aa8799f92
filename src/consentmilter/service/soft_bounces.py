"""Count failures that may pass, such as a full mailbox: on enough days within a window, the mailbox is dead.

Days count, not messages: a mailbox that is full for an afternoon fails every message of that afternoon. Raises the
store's errors.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store import soft_bounces
from consentmilter.store.writer import Store

DAY = 86400


@dataclass(frozen=True, slots=True)
class Patience:
    """On how many days of the last `window` seconds mail must fail."""

    days: int
    window: float


async def count(store: Store, subject: bytes, scope: str, at: datetime, patience: Patience) -> int:
    """Count one failure, and return on how many days within the window there was one."""
    today = int(at.timestamp()) // DAY
    since = today - int(patience.window // DAY) + 1

    async def job(connection: AsyncConnection) -> int:
        await soft_bounces.add(connection, subject, scope, today)
        await soft_bounces.forget(connection, subject, scope, since)
        return await soft_bounces.days(connection, subject, scope, since)

    return await store.write(job)
