"""What is kept for a time only, by kind of record, and its removal: statements within a transaction of the caller's.

`find` walks a table in the order of its key, as a read that keeps nobody from writing, and `remove` looks again before
it removes. What belongs to a person under a legal hold, or whose data is restricted, is left where it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import Action
from consentmilter.model import ConsentState
from consentmilter.store.holds import kept
from consentmilter.store.rights import BLANK
from consentmilter.store.schema import (
    confirmation,
    consent,
    hash_suppression,
    ledger,
    ledger_evidence,
    review,
    soft_bounce,
    suppression,
)

Key = tuple[Any, ...]

_DAY = 86400


class Kind(StrEnum):
    """What is kept for a time."""

    JOURNAL = "journal"
    """Verdicts, which are not in these tables but in a database of their own."""
    EXPIRED = "expired"
    """Suppressions, of people and of hash lists, after their end."""
    REVIEWS = "reviews"
    """Mail that somebody has read and decided."""
    BOUNCES = "bounces"
    """Counts of failures that may pass."""
    CONFIRMATIONS = "confirmations"
    """When people were asked whether a request was theirs."""
    EVIDENCE = "evidence"
    """Addresses and evidence in the ledger."""


class Counts(NamedTuple):
    """How many records are old enough to go, and how many more would be, were they not kept back."""

    due: int
    kept: int


@dataclass(frozen=True, slots=True)
class Records:
    """Records of one kind: where they are, their key, which of them are old, and which must stay nevertheless."""

    kind: Kind
    rows: sa.FromClause
    key: tuple[sa.ColumnElement[Any], ...]
    old: Callable[[int], sa.ColumnElement[bool]]
    stays: sa.ColumnElement[bool]
    change: sa.Delete | sa.Update


def _of_table(
    kind: Kind, table: sa.Table, old: Callable[[int], sa.ColumnElement[bool]], stays: sa.ColumnElement[bool]
) -> Records:
    return Records(kind, table, tuple(table.primary_key), old, stays, sa.delete(table))


_PROVES = sa.and_(
    ledger.c.action.in_([Action.REQUEST.value, Action.GRANT.value]),
    sa.exists().where(
        consent.c.subject == ledger.c.subject,
        consent.c.stream == ledger.c.scope,
        consent.c.state == ConsentState.GRANTED.value,
    ),
)
"""Evidence of a consent that holds: whoever relies on one has to be able to show it (GDPR Art. 7(1))."""

_EVIDENCE = Records(
    Kind.EVIDENCE,
    ledger.join(ledger_evidence, ledger_evidence.c.ledger_id == ledger.c.id),
    (ledger_evidence.c.ledger_id,),
    # Entries without a subject tell of nobody.
    lambda before: sa.and_(
        ledger.c.at < before, ledger.c.subject.is_not(None), sa.func.length(ledger_evidence.c.salt) > 0
    ),
    sa.or_(kept(ledger.c.subject), _PROVES),
    sa.update(ledger_evidence).values(BLANK),
)

RECORDS = (
    _of_table(Kind.EXPIRED, suppression, lambda before: suppression.c.expires < before, kept(suppression.c.subject)),
    # A digest is nobody's key, so no hold can be about it.
    _of_table(Kind.EXPIRED, hash_suppression, lambda before: hash_suppression.c.expires < before, sa.false()),
    _of_table(Kind.REVIEWS, review, lambda before: review.c.closed < before, kept(review.c.subject)),
    _of_table(
        Kind.BOUNCES, soft_bounce, lambda before: soft_bounce.c.day < before // _DAY, kept(soft_bounce.c.subject)
    ),
    _of_table(
        Kind.CONFIRMATIONS, confirmation, lambda before: confirmation.c.sent < before, kept(confirmation.c.subject)
    ),
    _EVIDENCE,
)
"""All kinds but the journal."""


async def count(connection: AsyncConnection, records: Records, before: int) -> Counts:
    """How many records of before this time there are."""
    stays = sa.func.coalesce(sa.func.sum(sa.case((records.stays, 1), else_=0)), 0)
    query = sa.select(sa.func.count(), stays).select_from(records.rows).where(records.old(before))
    every, kept_back = (await connection.execute(query)).one()
    return Counts(every - kept_back, kept_back)


async def find(connection: AsyncConnection, records: Records, before: int, after: Key | None, rows: int) -> list[Key]:
    """The keys of up to `rows` records to remove, behind a key, in order."""
    query = _due(records, before).order_by(*records.key).limit(rows)
    if after is not None:
        query = query.where(sa.tuple_(*records.key) > sa.tuple_(*after))
    return [tuple(row) for row in await connection.execute(query)]


async def remove(connection: AsyncConnection, records: Records, before: int, keys: Sequence[Key]) -> int:
    """Remove those of the records that are still to go, and say how many there were."""
    still = [tuple(row) for row in await connection.execute(_due(records, before).where(_among(records, keys)))]
    if still:
        await connection.execute(records.change.where(_among(records, still)))
    return len(still)


def _due(records: Records, before: int) -> sa.Select[Any]:
    return sa.select(*records.key).select_from(records.rows).where(records.old(before), ~records.stays)


def _among(records: Records, keys: Sequence[Key]) -> sa.ColumnElement[bool]:
    if len(records.key) == 1:
        return records.key[0].in_([key[0] for key in keys])
    return sa.tuple_(*records.key).in_(keys)
