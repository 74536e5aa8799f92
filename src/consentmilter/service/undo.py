"""Take an import back: lift what it made and nobody asserted since.

A click on an imported address, another import that names it and whatever else said the same make a person stay. The
batch is marked first, so that nothing more can go in by it and the same file can be imported anew; then its rows go,
some thousands under each hold of the lock. An undo that was interrupted is completed by the next one. Each person's
row has a ledger entry of its own, as with any other lift, rows of hash lists one a chunk. Raises UsageError for an
import that there is not, and the store's errors.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.ledger import Action, Entry, said_digest
from consentmilter.model import Suppression
from consentmilter.service.suppressions import Actor, Clock, Random, lifted, utc_now
from consentmilter.store import batches, consents, entries, undoing
from consentmilter.store.batches import Batch
from consentmilter.store.schema import suppression
from consentmilter.store.suppressions import to_said
from consentmilter.store.writer import Job, Store

SUBJECTS_AT_ONCE = 5_000
"""As many go under one hold of the lock; each has a ledger entry, so they are fewer than an import puts in."""

LISTED = 10
"""How many imports are shown to somebody who named none that there is."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of an import: `lifted` rows went, or would go, `kept` ones stay since somebody asserted them again.

    `before` is when the import was undone already.
    """

    batch: Batch
    lifted: int
    kept: int
    before: datetime | None


async def latest(store: Store, count: int = LISTED) -> list[Batch]:
    """The imports that were begun last, the latest first."""
    return await store.read(lambda connection: batches.latest(connection, count))


async def preview_undo(store: Store, batch_id: str) -> Undone:
    """Say what an undo would do, and change nothing."""
    batch = await _named(store, batch_id)
    counts = await store.read(lambda connection: undoing.count(connection, batch.id))
    return Undone(batch, counts.alone, counts.asserted_again, batch.undone)


async def undo(
    store: Store,
    batch_id: str,
    actor: Actor,
    *,
    progress: Callable[[int], None] = lambda _rows: None,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Undone:
    """Lift what the import made; `progress` is told how many rows are gone."""
    batch = await _named(store, batch_id)
    at = now()
    await store.write(lambda connection: batches.mark_undone(connection, batch.id, at))
    done = 0
    for table in undoing.TABLES:
        after = b""
        while subjects := await store.read(_finding(table, batch.id, after)):
            done += await store.write(_removing(table, batch, subjects, actor, now, random))
            progress(done)
            after = subjects[-1]
    left = await store.read(lambda connection: undoing.count(connection, batch.id))
    return Undone(batch, done, left.asserted_again, batch.undone)


async def _named(store: Store, batch_id: str) -> Batch:
    batch = await store.read(lambda connection: batches.get(connection, batch_id))
    if batch is None:
        listed = [f"{each.id} of {each.file}" for each in await latest(store)]
        known = f"the latest are {', '.join(listed)}" if listed else "nothing was imported so far"
        raise UsageError(f"there is no import {batch_id!r}; {known}")
    if await store.read(lambda connection: consents.came_with(connection, batch.id)):
        # What stood before is in the ledger alone, and might be a withdrawal: taking a consent away must not revive it.
        mend = "withdraw them one by one (consentmilter consent withdraw)"
        raise UsageError(f"{batch_id} is an import of consents, which is not undone as a whole: {mend}")
    return batch


def _finding(table: sa.Table, batch_id: str, after: bytes) -> Job[list[bytes]]:
    return lambda connection: undoing.find(connection, table, batch_id, after, SUBJECTS_AT_ONCE)


def _removing(  # noqa: PLR0917 - what a removal is
    table: sa.Table, batch: Batch, subjects: Sequence[bytes], actor: Actor, now: Clock, random: Random
) -> Job[int]:
    """A job that removes these rows of a batch, as far as they are still its own, and says how many."""
    at = now()

    async def job(connection: AsyncConnection) -> int:
        removed = await undoing.take_out(connection, table, batch.id, subjects)
        if table is suppression:
            evidence = f"undo of import {batch.id}"
            await entries.append_all(connection, [lifted(row, evidence, actor, at, random) for row in removed])
        elif removed:
            await entries.append(connection, _together(removed, batch, actor, at))
        return len(removed)

    return job


def _together(removed: Sequence[Suppression], batch: Batch, actor: Actor, at: datetime) -> Entry:
    rows = (to_said(row.subject, row.scope, row.reason, row.created, row.expires, None)[:5] for row in removed)
    return Entry(
        at, actor.name, actor.source, Action.LIFT,
        batch=batch.id, scope=batch.scope, reason=batch.reason, count=len(removed), digest=said_digest(rows),
    )  # fmt: skip
