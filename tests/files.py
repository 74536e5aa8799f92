"""Imports in few words: what rows of files say, and the way into the store that all of them take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from consentmilter.ledger import said_digest
from consentmilter.model import Assertion, Reason
from consentmilter.service.bulk import import_staged
from consentmilter.service.suppressions import Actor, Clock, Outcome, utc_now
from consentmilter.store.batches import Batch
from consentmilter.store.said import Said
from consentmilter.store.staging import Staging
from consentmilter.store.suppressions import to_said
from consentmilter.store.writer import Store


@dataclass(frozen=True, slots=True)
class HashAssertion:
    """A statement about whoever's address has this digest: 16 octets are MD5, 20 SHA-1, 32 SHA-256."""

    digest: bytes
    scope: str
    reason: Reason
    at: datetime | None = None
    expires: datetime | None = None


def as_said(assertion: Assertion | HashAssertion) -> Said:
    """What a row of a file says, as the store has it; all rows of one staging are of one of the two kinds."""
    match assertion:
        case Assertion(subject=key, address=address):
            pass
        case HashAssertion(digest=key):
            address = None
    return to_said(key, assertion.scope, assertion.reason, assertion.at, assertion.expires, address)


def rows_digest(assertions: Iterable[Assertion | HashAssertion]) -> bytes:
    """What the ledger records of these rows."""
    return said_digest(as_said(each)[:5] for each in assertions)


async def import_rows(
    store: Store,
    batch: Batch,
    said: Sequence[Assertion] | Sequence[HashAssertion],
    actor: Actor,
    *,
    list_name: str | None = None,
    now: Clock = utc_now,
) -> Outcome:
    """Have a batch assert some rows, of a hash list if there is a `list_name`."""
    with store.spill() as spill:
        staged = Staging(spill)
        staged.add(map(as_said, said))
        return await import_staged(store, batch, staged, actor, list_name=list_name, now=now)
