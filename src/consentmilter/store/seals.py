"""The seals: which place of the chain each entry of the ledger has, and the digest that it got there.

`seal` chains what is not sealed yet. It runs at the end of the very transaction that appended, so that nothing is ever
seen unsealed. It asks for nothing but entries with higher ids than the last sealed one, which is right because ids
become visible in their order: with SQLite by the lock under which everything is written, with PostgreSQL by the turn
that each writer to the ledger takes until its commit (`consentmilter.store.append_only`). What is read here comes page
by page, as the database has it.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from consentmilter.chain import COLUMNS, START, link
from consentmilter.store.dialect import Either
from consentmilter.store.schema import ledger, ledger_evidence
from consentmilter.store.schema import seal as seals

AT_ONCE = 1000
"""As many entries are read together."""


class Head(NamedTuple):
    """The end of the chain: how many entries are sealed, the id of the last, and the last digest."""

    position: int
    ledger_id: int
    digest: bytes


class Sealed(NamedTuple):
    """One place of the chain as the database has it; `entry` is None where its entry is not there."""

    position: int
    ledger_id: int
    digest: object
    entry: Sequence[object] | None
    salt: object
    data: str | None


# As the database has them: what a column's type makes of a value would hide what somebody made of it.
_ENTRY = [sa.type_coerce(ledger.c[name], NullType()).label(name) for name in COLUMNS]
_DIGEST = sa.type_coerce(seals.c.digest, NullType()).label("sealed_as")
_SALT = sa.type_coerce(ledger_evidence.c.salt, NullType()).label("salt")
_DATA = sa.cast(ledger_evidence.c.data, sa.Text).label("data")

_LAST = sa.select(seals).order_by(seals.c.position.desc()).limit(1)
_HEAD = _LAST.with_only_columns(seals.c.position, seals.c.ledger_id, seals.c.digest)
_UNSEALED = (
    sa.select(
        _LAST.with_only_columns(seals.c.position).scalar_subquery(),
        _LAST.with_only_columns(seals.c.digest).scalar_subquery(),
        *_ENTRY,
    )
    .where(ledger.c.id > sa.func.coalesce(_LAST.with_only_columns(seals.c.ledger_id).scalar_subquery(), 0))
    .order_by(ledger.c.id)
    .limit(AT_ONCE)
)
"""The end of the chain and what comes behind it, in one round trip: every change asks this."""
_PLACES = (
    sa.select(seals.c.position, seals.c.ledger_id, _DIGEST, _SALT, _DATA, *_ENTRY)
    .outerjoin(ledger, ledger.c.id == seals.c.ledger_id)
    .outerjoin(ledger_evidence, ledger_evidence.c.ledger_id == seals.c.ledger_id)
    .where(seals.c.position > sa.bindparam("after"))
    .order_by(seals.c.position)
    .limit(sa.bindparam("rows", type_=sa.Integer))
)
_NOT_SEALED = sa.select(ledger.c.id).where(~sa.exists().where(seals.c.ledger_id == ledger.c.id))
_STRAY = sa.select(ledger_evidence.c.ledger_id).where(~sa.exists().where(ledger.c.id == ledger_evidence.c.ledger_id))
_LAST_GIVEN = Either(
    sqlite="SELECT seq FROM sqlite_sequence WHERE name = 'ledger'", postgresql="SELECT id FROM ledger_end"
)


async def head(connection: AsyncConnection) -> Head:
    """Where the chain ends."""
    row = (await connection.execute(_HEAD)).first()
    return Head(0, 0, START) if row is None else Head(*row)


async def seal(connection: AsyncConnection) -> Head:
    """Chain every entry that is not sealed yet, and return the end of the chain."""
    while entries := (await connection.execute(_UNSEALED)).all():
        position, digest, *_ = entries[0]
        end = Head(position or 0, 0, digest or START)
        made = []
        for _, _, *entry in entries:
            end = Head(end.position + 1, entry[0], link(end.digest, entry))
            made.append(end._asdict())
        await connection.execute(sa.insert(seals), made)
        if len(entries) < AT_ONCE:
            return end
    return await head(connection)


async def places(connection: AsyncConnection, after: int, rows: int = AT_ONCE) -> list[Sealed]:
    """Up to `rows` places of the chain, behind a position, with their entries and their evidence."""
    return [_sealed(row) for row in await connection.execute(_PLACES, {"after": after, "rows": rows})]


async def positions(connection: AsyncConnection, after: int, rows: int = AT_ONCE) -> list[int]:
    """The positions alone of what `places` would read."""
    query = sa.select(seals.c.position).where(seals.c.position > after).order_by(seals.c.position).limit(rows)
    return list(await connection.scalars(query))


async def count(connection: AsyncConnection) -> int:
    """How many seals there are, whatever they say of their places."""
    return await connection.scalar(sa.select(sa.func.count()).select_from(seals)) or 0


async def first_unsealed(connection: AsyncConnection) -> int | None:
    """The first entry that is in no place of the chain."""
    return await connection.scalar(_NOT_SEALED.order_by(ledger.c.id).limit(1))


async def first_stray(connection: AsyncConnection) -> int | None:
    """The first evidence of an entry that is not there."""
    return await connection.scalar(_STRAY.order_by(ledger_evidence.c.ledger_id).limit(1))


async def missing_at_the_end(connection: AsyncConnection) -> int | None:
    """The last id that was given to an entry that was committed, if that entry is gone; none is given twice."""
    given = await connection.scalar(_LAST_GIVEN) or 0
    last = await connection.scalar(sa.select(sa.func.max(ledger.c.id))) or 0
    return int(given) if given > last else None


def _sealed(row: sa.Row[Any]) -> Sealed:
    position, ledger_id, digest, salt, data, *entry = tuple(row)
    return Sealed(position, ledger_id, digest, None if entry[0] is None else entry, salt, data)
