"""Statements about whether the signature of what left the system covers the list fields."""

from dataclasses import asdict, dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.dialect import upsert
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import dkim_check


@dataclass(frozen=True, slots=True)
class DkimCheck:
    """What a look at the last copy of a stream's mail showed; `detail` says in words what is missing."""

    stream: str
    checked: datetime
    covered: bool
    detail: str


async def put(connection: AsyncConnection, check: DkimCheck) -> None:
    """Note the check in place of the one before."""
    new = upsert(dkim_check).values(asdict(check) | {"checked": seconds(check.checked)})
    changed = {name: new.excluded[name] for name in ("checked", "covered", "detail")}
    await connection.execute(new.on_conflict_do_update(index_elements=[dkim_check.c.stream], set_=changed))


async def get(connection: AsyncConnection, stream: str) -> DkimCheck | None:
    row = (await connection.execute(sa.select(dkim_check).where(dkim_check.c.stream == stream))).first()
    return DkimCheck(row.stream, moment(row.checked), bool(row.covered), row.detail) if row else None
