"""Rows of the tables as the program's types, and back: whole seconds become aware datetimes, text becomes reasons.

Raises StoreError for a row that this program cannot have written.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from consentmilter.errors import StoreError
from consentmilter.ledger import Action, Entry, Evidence
from consentmilter.model import Basis, Consent, ConsentState, Reason, Suppression


def seconds(time: datetime) -> int:
    """A time as the tables hold it."""
    return int(time.timestamp())


def moment(seconds_: int) -> datetime:
    """A time as the program holds it."""
    try:
        return datetime.fromtimestamp(seconds_, UTC)
    except (ValueError, OverflowError, OSError, TypeError):
        raise StoreError(f"the store holds the time {seconds_!r}, which no calendar has") from None


def to_suppression(row: Sequence[Any]) -> Suppression:
    """A row of `suppression`, with its columns in the order of the table."""
    subject, scope, reason, origin, batch, asserted_again, created, expires, address, repeated = row
    try:
        return Suppression(
            subject=subject,
            scope=scope,
            reason=to_reason(reason),
            origin=origin,
            created=moment(created),
            expires=None if expires is None else moment(expires),
            batch=batch,
            asserted_again=bool(asserted_again),
            address=address or None,  # blank once the person was erased: nothing fills it in again
            repeated=None if repeated is None else moment(repeated),
        )
    except StoreError as error:
        raise StoreError(f"the suppression of {subject.hex()} in {scope}: {error}") from None


def to_consent(row: Sequence[Any]) -> Consent:
    """A row of `consent`, with its columns in the order of the table."""
    subject, stream, state, basis, at, confirmed, origin, batch, address = row
    try:
        return Consent(
            subject, stream, _to_state(state), _to_basis(basis), moment(at), bool(confirmed), origin, batch, address
        )
    except StoreError as error:
        raise StoreError(f"the consent of {subject.hex()} to {stream}: {error}") from None


def to_entry(row: Any) -> Entry:
    """A row of `ledger`, joined with `ledger_evidence`."""
    try:
        return _to_entry(row)
    except StoreError as error:
        raise StoreError(f"the ledger entry {row.id}: {error}") from None


def _to_entry(row: Any) -> Entry:
    return Entry(
        at=moment(row.at),
        actor=row.actor,
        source=row.source,
        action=Action(row.action),
        batch=row.batch,
        subject=row.subject,
        scope=row.scope,
        reason=None if row.reason is None else to_reason(row.reason),
        count=row.count,
        digest=row.digest,
        commitment=row.commitment,
        evidence=None if row.salt is None else Evidence(row.salt, row.data),
        id=row.id,
    )


def _to_state(text: str) -> ConsentState:
    try:
        return ConsentState(text)
    except ValueError:
        raise StoreError(f"the store holds the unknown state {text!r}") from None


def _to_basis(text: str) -> Basis:
    try:
        return Basis(text)
    except ValueError:
        raise StoreError(f"the store holds the unknown basis {text!r}") from None


def to_reason(text: str) -> Reason:
    """A reason as the program holds it."""
    try:
        return Reason(text)
    except ValueError:
        raise StoreError(f"the store holds a suppression for the unknown reason {text!r}") from None
