"""Statements that walk through everybody of whom the ledger or the tables tell anything, some at a time."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.schema import consent, hash_suppression, import_batch, ledger, suppression

_AFTER = sa.bindparam("after", type_=sa.LargeBinary)
_ROWS = sa.bindparam("rows", type_=sa.Integer)

# Each part ends by itself: a union over whole tables would be sorted as a whole for every page.
_PARTS = [
    sa.select(sa.select(column.label("subject")).distinct().where(column > _AFTER).order_by(column).limit(_ROWS)
              .subquery().c.subject)
    for column in (ledger.c.subject, suppression.c.subject, consent.c.subject)
]  # fmt: skip
_SUBJECTS = sa.union(*_PARTS).order_by("subject").limit(_ROWS)


async def subjects(connection: AsyncConnection, after: bytes, rows: int) -> list[bytes]:
    """Up to `rows` subjects behind one, in their order."""
    return list(await connection.scalars(_SUBJECTS, {"after": after, "rows": rows}))


async def count(connection: AsyncConnection) -> int:
    """About how many there are: so many suppressions and consents stand."""
    found = 0
    for table in (suppression, consent):
        found += await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    return found


async def imports(connection: AsyncConnection) -> list[str]:
    """The imports, in the order in which they were begun."""
    first = sa.select(sa.func.min(ledger.c.id)).where(ledger.c.batch == import_batch.c.id).scalar_subquery()
    query = sa.select(import_batch.c.id).order_by(import_batch.c.started, first, import_batch.c.id)
    return list(await connection.scalars(query))


async def hash_rows(connection: AsyncConnection, batch: str) -> int:
    """How many entries of hash lists stand that an import made."""
    query = sa.select(sa.func.count()).select_from(hash_suppression).where(hash_suppression.c.batch == batch)
    return await connection.scalar(query) or 0
