"""Keep mail that no rule understands until somebody has read it, and do what they decide.

What a person wrote is kept for that long and no longer. Raises UsageError for an item that is not there or was decided
before, and the store's errors.
"""

import secrets
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.model import Assertion, Reason
from consentmilter.service.suppressions import Actor, Clock, Outcome, assert_one, utc_now
from consentmilter.store import reviews
from consentmilter.store.reviews import Review
from consentmilter.store.writer import Store

MAX_WORDS = 2000
"""As many characters are kept of what a person wrote."""

OPTED_OUT, CLOSED = "opted-out", "closed"


def new_id() -> str:
    return secrets.token_hex(4)


async def keep(store: Store, item: Review) -> Review:
    """Keep an item, unless the same waits already, which is then returned."""
    cut = replace(item, words=None if item.words is None else item.words[:MAX_WORDS])

    async def job(connection: AsyncConnection) -> Review:
        known = await reviews.same_waiting(connection, cut)
        if known is None:
            await reviews.add(connection, cut)
        return known or cut

    return await store.write(job)


async def waiting(store: Store) -> list[Review]:
    """What nobody has decided yet, the oldest first."""
    return await store.read(reviews.waiting)


async def get(store: Store, item_id: str) -> Review:
    item = await store.read(lambda connection: reviews.get(connection, item_id))
    if item is None:
        raise UsageError(f"there is no mail {item_id} to review")
    return item


async def opt_out(
    store: Store, item_id: str, scope: str | None, actor: Actor, *, now: Clock = utc_now
) -> tuple[Review, Outcome]:
    """Suppress the person, in the item's scope or another, with the words as evidence; then close the item."""
    item = _undecided(await get(store, item_id))
    said = f"review {item.id}: {item.words or ''}".rstrip(": ")
    assertion = Assertion(
        item.subject, item.address, scope or item.scope, Reason.UNSUBSCRIBE, at=item.at, evidence=said
    )
    # Two transactions: cut short between them, the item still waits and the decision can be made again.
    outcome = await assert_one(store, assertion, actor, now=now)
    return await _close(store, item, OPTED_OUT, now), outcome


async def close(store: Store, item_id: str, *, now: Clock = utc_now) -> Review:
    """Decide that nothing was asked for."""
    return await _close(store, await get(store, item_id), CLOSED, now)


async def _close(store: Store, item: Review, decision: str, now: Clock) -> Review:
    at = now()
    if not await store.write(lambda connection: reviews.close(connection, item.id, at, decision)):
        _undecided(await get(store, item.id))
    return replace(item, closed=at, decision=decision, words=None)


def _undecided(item: Review) -> Review:
    if item.closed is not None:
        raise UsageError(f"{item.id} was decided at {item.closed:%Y-%m-%d %H:%M} UTC: {item.decision}")
    return item
