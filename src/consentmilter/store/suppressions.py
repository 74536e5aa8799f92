"""Statements about suppressions, each within a transaction of the caller's."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.model import Reason, Suppression
from consentmilter.store.chunks import put_rows
from consentmilter.store.rows import seconds, to_suppression
from consentmilter.store.said import Columns, Said
from consentmilter.store.schema import suppression
from consentmilter.store.standing import by_key
from consentmilter.store.text import printable
from consentmilter.store.values import Source

_KEYS_AT_ONCE = 1000

_BY_KEY = by_key(sa.bindparam("subjects", expanding=True), sa.bindparam("subjects", expanding=True)).order_by(
    "subject", "scope", "reason"
)


class Key(NamedTuple):
    """What tells one suppression from another."""

    subject: bytes
    scope: str
    reason: Reason


async def of_subjects(connection: AsyncConnection, subjects: Sequence[bytes]) -> list[Suppression]:
    """Every suppression of these subjects and digests, in key order within each thousand of them."""
    distinct = list(dict.fromkeys(subjects))
    found: list[Suppression] = []
    for start in range(0, len(distinct), _KEYS_AT_ONCE):
        rows = await connection.execute(_BY_KEY, {"subjects": distinct[start : start + _KEYS_AT_ONCE]})
        found.extend(map(to_suppression, rows))
    return found


async def put(connection: AsyncConnection, said: Suppression) -> bool:
    """Make the suppression, or mark the one that stands as asserted again; whether it was made."""
    row = to_said(said.subject, said.scope, said.reason, said.created, said.expires, said.address)
    source = Source(printable(said.origin), said.batch, seconds(said.created))
    return bool(await put_rows(connection, source, Columns.of([row])))


async def remove(
    connection: AsyncConnection, subject: bytes, scope: str | None, reason: Reason | None
) -> list[Suppression]:
    """Remove the suppressions of a subject, of one scope or reason if given, and return them."""
    chosen = [suppression.c.subject == subject]
    if scope is not None:
        chosen.append(suppression.c.scope == scope)
    if reason is not None:
        chosen.append(suppression.c.reason == reason)
    gone = await connection.execute(sa.delete(suppression).where(*chosen).returning(suppression))
    return sorted(map(to_suppression, gone), key=lambda row: (row.scope, row.reason))


def to_said(  # noqa: PLR0917 - the columns, in their order
    subject: bytes,
    scope: str,
    reason: Reason,
    since: datetime | None,
    expires: datetime | None,
    address: str | None,
) -> Said:
    """What somebody said, as the tables hold it."""
    return (
        subject,
        printable(scope),
        reason.value,
        None if since is None else seconds(since),
        None if expires is None else seconds(expires),
        None if address is None else printable(address),
    )
