"""Statements that read much: the list in key order, and the ledger in its own, a page at a time.

Each page is a transaction of the caller's and ends soon: a read that lasts keeps SQLite from starting its WAL over.
What changes between two pages is seen by the later one only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.exporters.rows import Hashed
from consentmilter.ledger import Action, Entry
from consentmilter.model import Reason, Suppression
from consentmilter.store.rows import moment, seconds, to_entry, to_reason, to_suppression
from consentmilter.store.schema import hash_suppression, ledger, ledger_evidence, suppression
from consentmilter.store.suppressions import Key

_TOLD = tuple(str(action) for action in (Action.ADD, Action.REPEAT, Action.LIFT, Action.IMPORT))
"""What changes who is on the list."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which entries of the list are meant; what is None or empty does not matter.

    `after` and `before` are about the time of creation, the first inclusive.
    """

    scopes: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    after: datetime | None = None
    before: datetime | None = None
    batch: str | None = None

    def clauses(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        """As conditions on one of the two tables of suppressions."""
        found: list[sa.ColumnElement[bool]] = []
        if self.scopes:
            found.append(table.c.scope.in_(self.scopes))
        if self.reasons:
            found.append(table.c.reason.in_([str(reason) for reason in self.reasons]))
        if self.after is not None:
            found.append(table.c.created >= seconds(self.after))
        if self.before is not None:
            found.append(table.c.created < seconds(self.before))
        if self.batch is not None:
            found.append(table.c.batch == self.batch)
        return found


class Told(NamedTuple):
    """A ledger entry, and the address that stands with the suppression that it is about, if that stands."""

    entry: Entry
    address: str | None


async def people(connection: AsyncConnection, choice: Choice, after: bytes, rows: int) -> list[Suppression]:
    """Some `rows` entries of people and domains behind the subject `after`, all of a subject or none of it.

    Behind b"" there are all.
    """
    return [to_suppression(row) for row in await _page(connection, suppression, choice, after, rows)]


async def hashes(connection: AsyncConnection, choice: Choice, after: bytes, rows: int) -> list[Hashed]:
    """As `people`, of hash lists."""
    return [_to_hashed(row) for row in await _page(connection, hash_suppression, choice, after, rows)]


async def of_keys(connection: AsyncConnection, choice: Choice, keys: Sequence[Key]) -> list[Suppression]:
    """Those of the entries with these keys that stand, in key order."""
    subjects = sorted({key.subject for key in keys})
    query = sa.select(suppression).where(suppression.c.subject.in_(subjects), *choice.clauses(suppression))
    rows = await connection.execute(query.order_by(*suppression.primary_key))
    wanted = set(keys)
    found = map(to_suppression, rows)
    return [row for row in found if Key(row.subject, row.scope, row.reason) in wanted]


async def of_batch(connection: AsyncConnection, batch: str, after: Key | None, rows: int) -> list[Suppression]:
    """Entries that an import made and that stand, behind a key."""
    query = sa.select(suppression).where(suppression.c.batch == batch)
    if after is not None:
        key = sa.tuple_(*suppression.primary_key)
        query = query.where(key > sa.tuple_(after.subject, after.scope, str(after.reason)))
    found = await connection.execute(query.order_by(*suppression.primary_key).limit(rows))
    return [to_suppression(row) for row in found]


async def told(connection: AsyncConnection, after: int, rows: int) -> list[Told]:
    """Ledger entries that change the list, behind the one with the id `after`.

    Of an import they hold the last one only, that there is now: the others would tell of the same entries.
    """
    same = sa.and_(*(ledger.c[name] == suppression.c[name] for name in Key._fields))
    later = ledger.alias()
    goes_on = sa.exists().where(
        later.c.id > ledger.c.id, later.c.batch == ledger.c.batch, later.c.action == Action.IMPORT.value
    )
    about = sa.case((ledger.c.action == Action.IMPORT.value, ~goes_on), else_=ledger.c.subject.is_not(None))
    query = (
        sa.select(ledger, ledger_evidence.c.salt, ledger_evidence.c.data, suppression.c.address)
        .outerjoin(ledger_evidence, ledger_evidence.c.ledger_id == ledger.c.id)
        .outerjoin(suppression, same)
        .where(ledger.c.id > after, ledger.c.action.in_(_TOLD), about)
        .order_by(ledger.c.id)
        .limit(rows)
    )
    return [Told(to_entry(row), row.address or None) for row in await connection.execute(query)]


async def last_entry(connection: AsyncConnection, upto: int | None = None) -> tuple[int, int] | None:
    """Id and time of the ledger's last entry, or of the one with the id `upto`."""
    query = sa.select(ledger.c.id, ledger.c.at).order_by(ledger.c.id.desc()).limit(1)
    if upto is not None:
        query = query.where(ledger.c.id == upto)
    row = (await connection.execute(query)).first()
    return None if row is None else (row.id, row.at)


async def batch_of(connection: AsyncConnection, entry: int) -> str | None:
    """The import that a ledger entry tells of."""
    query = sa.select(ledger.c.batch).where(ledger.c.id == entry, ledger.c.action == Action.IMPORT.value)
    return (await connection.execute(query)).scalar()


async def _page(
    connection: AsyncConnection, table: sa.Table, choice: Choice, after: bytes, rows: int
) -> Sequence[sa.Row[Any]]:
    who = table.primary_key.columns[0]
    behind = [who > after, *choice.clauses(table)]
    last = await connection.scalar(sa.select(who).where(*behind).order_by(who).limit(1).offset(rows - 1))
    if last is not None:
        behind.append(who <= last)
    return (await connection.execute(sa.select(table).where(*behind).order_by(*table.primary_key))).all()


def _to_hashed(row: sa.Row[Any]) -> Hashed:
    return Hashed(
        digest=row.digest,
        scope=row.scope,
        reason=to_reason(row.reason),
        list=row.list,
        origin=row.origin,
        created=moment(row.created),
        expires=None if row.expires is None else moment(row.expires),
        batch=row.batch,
        asserted_again=bool(row.asserted_again),
    )
