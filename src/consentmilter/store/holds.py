"""Statements about legal holds, and the conditions by which a person's records are kept, or kept back.

A legal hold keeps everything as it is. So does a restriction (GDPR Art. 18), which also keeps a person out of exports;
it ends when its suppression, `legal` in everything, is lifted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import Action
from consentmilter.model import ALL, Reason
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import ledger, legal_hold


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing about a subject may be deleted, since when, and who said so for what cause."""

    subject: bytes
    since: datetime
    actor: str
    cause: str


def restricted(subject: sa.ColumnElement[bytes]) -> sa.ColumnElement[bool]:
    """Whether processing of a subject's data is restricted: it was, and the suppression of it was not lifted since."""
    asked, lift = ledger.alias(), ledger.alias()
    lifted = sa.exists().where(
        lift.c.subject == asked.c.subject,
        lift.c.action == Action.LIFT.value,
        lift.c.scope == ALL,
        lift.c.reason == Reason.LEGAL.value,
        lift.c.id > asked.c.id,
    )
    return sa.exists().where(asked.c.subject == subject, asked.c.action == Action.RESTRICT.value, ~lifted)


def kept(subject: sa.ColumnElement[bytes]) -> sa.ColumnElement[bool]:
    """Whether a subject's records must stay as they are: a legal hold, or a restriction."""
    return sa.or_(sa.exists().where(legal_hold.c.subject == subject), restricted(subject))


async def kept_among(connection: AsyncConnection, subjects: Sequence[bytes]) -> set[bytes]:
    """Those of the subjects whose records must stay."""
    if not subjects:
        return set()
    held = sa.select(legal_hold.c.subject).where(legal_hold.c.subject.in_(subjects))
    asked = ledger.alias()
    stopped = sa.select(asked.c.subject).where(asked.c.subject.in_(subjects), restricted(asked.c.subject))
    return set(await connection.scalars(held.union(stopped)))


async def is_restricted(connection: AsyncConnection, subjects: Sequence[bytes]) -> bool:
    """Whether processing of any of the subjects' data is restricted."""
    asked = ledger.alias()
    query = sa.select(asked.c.id).where(asked.c.subject.in_(subjects), restricted(asked.c.subject)).limit(1)
    return await connection.scalar(query) is not None


async def of_subjects(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Hold]:
    """The legal holds of these subjects, the oldest first."""
    query = sa.select(legal_hold).where(legal_hold.c.subject.in_(subjects)).order_by(legal_hold.c.since)
    return [Hold(row.subject, moment(row.since), row.actor, row.cause) for row in await connection.execute(query)]


async def add(connection: AsyncConnection, hold: Hold) -> None:
    values = {"subject": hold.subject, "since": seconds(hold.since), "actor": hold.actor, "cause": hold.cause}
    await connection.execute(sa.insert(legal_hold).values(values))


async def remove(connection: AsyncConnection, subjects: Sequence[bytes]) -> None:
    await connection.execute(sa.delete(legal_hold).where(legal_hold.c.subject.in_(subjects)))
