"""Whole files on their way into the store: gathered first, and put in by key, 10,000 rows under each hold of the lock.

    with store.spill() as spill:
        rows = Staging(spill)
        for said in file:
            rows.add(said)
        await import_staged(store, batch, rows, actor)

An import that is interrupted while rows are gathered has changed nothing; later, what went in stays, and the same
import again leaves the same as one that nothing interrupted. Raises UsageError for a batch that has ended, and the
store's errors.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Protocol

from consentmilter.model import Reason
from consentmilter.service.suppressions import CHUNK_ROWS, Actor, Clock, Outcome, held, import_rows, source_of, utc_now
from consentmilter.store.batches import Batch
from consentmilter.store.ready import Rows, Sources
from consentmilter.store.suppressions import Key
from consentmilter.store.writer import Store

Progress = Callable[[int], None]
"""Told how many rows are done."""


class Gathered(Protocol):
    """Rows that were gathered, in this process or another."""

    def __len__(self) -> int:
        """How many there are, repeats included."""

    def ready(self, rows: int, sources: Sources | None = None) -> Iterator[Rows]:
        """All of them by key, so many at a time; of rows that say the same, one. See `Rows.of` for the sources."""


async def import_staged(
    store: Store,
    batch: Batch,
    rows: Gathered,
    actor: Actor,
    *,
    list_name: str | None = None,
    progress: Progress = lambda _rows: None,
    now: Clock = utc_now,
) -> Outcome:
    """Assert the rows of a batch, of a hash list if there is a `list_name`."""
    new = done = 0
    sources = partial(source_of, batch, list_name, now) if store.copies else None
    async with aclosing(_ahead(rows.ready(CHUNK_ROWS, sources))) as chunks:
        async for chunk in chunks:
            new += (await import_rows(store, batch, chunk, actor, list_name=list_name, now=now)).new
            done += chunk.count
            progress(done)
    return Outcome(new, len(rows) - new)


async def _ahead(chunks: Iterator[Rows]) -> AsyncGenerator[Rows]:
    """The chunks, the next of which is made in another thread while the database is busy with one."""
    coming = asyncio.create_task(asyncio.to_thread(next, chunks, None))
    try:
        while chunk := await coming:
            coming = asyncio.create_task(asyncio.to_thread(next, chunks, None))
            yield chunk
    finally:
        await asyncio.wait([coming])  # it reads from what the caller closes next


async def preview_staged(store: Store, rows: Gathered, *, progress: Progress = lambda _rows: None) -> Outcome:
    """Say what importing the rows would do, and change nothing."""
    new = done = 0
    for chunk in rows.ready(CHUNK_ROWS):
        keys = {Key(row[0], row[1], Reason(row[2])) for row in chunk.distinct.rows()}
        standing = await held(store, [key.subject for key in keys])
        new += len(keys.difference(Key(row.subject, row.scope, row.reason) for row in standing))
        done += chunk.count
        progress(done)
    return Outcome(new, len(rows) - new)
