"""Rows of the tables as the program's types, and back: whole seconds become aware datetimes, text becomes reasons.

Raises StoreError for a row that this program cannot have written.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from consentmilter.errors import StoreError
from consentmilter.ledger import Action, Entry, Evidence
from consentmilter.model import Reason, Suppression


def seconds(time: datetime) -> int:
    """A time as the tables hold it."""
    return int(time.timestamp())


def moment(seconds_: int) -> datetime:
    """A time as the program holds it."""
    return datetime.fromtimestamp(seconds_, UTC)


def to_suppression(row: Sequence[Any]) -> Suppression:
    """A row of `suppression`, with its columns in the order of the table."""
    subject, scope, reason, origin, batch, asserted_again, created, expires, address = row
    return Suppression(
        subject=subject,
        scope=scope,
        reason=_reason(reason),
        origin=origin,
        created=moment(created),
        expires=None if expires is None else moment(expires),
        batch=batch,
        asserted_again=bool(asserted_again),
        address=address,
    )


def to_entry(row: Any) -> Entry:
    """A row of `ledger`, joined with `ledger_evidence`."""
    return Entry(
        at=moment(row.at),
        actor=row.actor,
        source=row.source,
        action=Action(row.action),
        batch=row.batch,
        subject=row.subject,
        scope=row.scope,
        reason=None if row.reason is None else _reason(row.reason),
        count=row.count,
        digest=row.digest,
        commitment=row.commitment,
        evidence=None if row.salt is None else Evidence(row.salt, row.data),
        id=row.id,
    )


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:
        raise StoreError(f"the store holds a suppression for the unknown reason {text!r}") from None
