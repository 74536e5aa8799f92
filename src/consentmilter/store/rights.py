"""Statements about everything that is held of one person, each within a transaction of the caller's.

To erase is to take away what tells who a key belongs to, and to leave the key, so that the opt-out lives on. The empty
address says that: unlike none, nothing fills it in later, neither an import nor the milter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import Action
from consentmilter.store import reviews
from consentmilter.store.reviews import Review
from consentmilter.store.rows import moment
from consentmilter.store.schema import (
    confirmation,
    consent,
    ledger,
    ledger_evidence,
    review,
    soft_bounce,
    suppression,
)

ERASED = ""
"""The address of a suppression whose person was erased."""

BLANK = {"salt": b"", "data": {}}
"""What the ledger's triggers let evidence become, and nothing else: without the salt nobody can try out what it was."""


@dataclass(frozen=True, slots=True)
class Asked:
    """When a person was asked whether a request was theirs."""

    subject: bytes
    scope: str
    sent: datetime


@dataclass(frozen=True, slots=True)
class Failures:
    """How much mail to a person failed on a day (counted from 1970-01-01), for a cause that may pass."""

    subject: bytes
    scope: str
    day: int
    count: int


async def mail_from(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Review]:
    """Every mail of theirs that was kept for somebody to read, decided or not, the oldest first."""
    query = sa.select(review.c.id).where(review.c.subject.in_(subjects)).order_by(review.c.at, review.c.id)
    found = [await reviews.get(connection, item) for item in list(await connection.scalars(query))]
    return [item for item in found if item is not None]


async def asked(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Asked]:
    """When they were asked whether a request was theirs."""
    query = sa.select(confirmation).where(confirmation.c.subject.in_(subjects)).order_by(confirmation.c.sent)
    return [Asked(row.subject, row.scope, moment(row.sent)) for row in await connection.execute(query)]


async def failures(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Failures]:
    """On which days mail to them failed."""
    query = sa.select(soft_bounce).where(soft_bounce.c.subject.in_(subjects)).order_by(*soft_bounce.primary_key)
    return [Failures(**row) for row in (await connection.execute(query)).mappings()]


async def forget_addresses(connection: AsyncConnection, subjects: Sequence[bytes]) -> int:
    """Leave the keys of their suppressions only."""
    told = sa.or_(suppression.c.address.is_(None), suppression.c.address != ERASED)
    change = sa.update(suppression).where(suppression.c.subject.in_(subjects), told).values(address=ERASED)
    return (await connection.execute(change)).rowcount


async def forget_evidence(connection: AsyncConnection, subjects: Sequence[bytes]) -> int:
    """Blank what the ledger holds of them besides the key; the entries keep their commitments.

    The evidence of erasures stays: it says who asked for them, which is the proof that they were asked for.
    """
    theirs = sa.select(ledger.c.id).where(ledger.c.subject.in_(subjects), ledger.c.action != Action.ERASE.value)
    known = sa.func.length(ledger_evidence.c.salt) > 0
    change = sa.update(ledger_evidence).where(ledger_evidence.c.ledger_id.in_(theirs), known).values(BLANK)
    return (await connection.execute(change)).rowcount


async def forget_mail(connection: AsyncConnection, subjects: Sequence[bytes]) -> int:
    """Remove mail of theirs that somebody has read; what it asked for stands in the ledger."""
    theirs = (review.c.subject.in_(subjects), review.c.closed.is_not(None))
    return (await connection.execute(sa.delete(review).where(*theirs))).rowcount


async def forget_consent_addresses(connection: AsyncConnection, subjects: Sequence[bytes]) -> None:
    change = sa.update(consent).where(consent.c.subject.in_(subjects)).values(address=None)
    await connection.execute(change)


async def forget_questions(connection: AsyncConnection, subjects: Sequence[bytes]) -> int:
    """Remove when they were asked whether a request was theirs."""
    return (await connection.execute(sa.delete(confirmation).where(confirmation.c.subject.in_(subjects)))).rowcount


async def forget_failures(connection: AsyncConnection, subjects: Sequence[bytes]) -> int:
    """Remove on which days mail to them failed."""
    return (await connection.execute(sa.delete(soft_bounce).where(soft_bounce.c.subject.in_(subjects)))).rowcount
