"""The end of the chain: seal what is not sealed yet, and write down what the end is, for somebody to keep.

Every change seals its own entries as it is made. `seal_all` is for a ledger that is older than the chain. Raises
StoreError and its kinds.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.checkpoints import Checkpoint
from consentmilter.ledger import Action, Entry
from consentmilter.service.suppressions import Actor, Clock, utc_now
from consentmilter.store import entries, seals
from consentmilter.store.writer import Store


@dataclass(frozen=True, slots=True)
class Sealing:
    """How many entries were sealed just now, and how many there are."""

    new: int
    all: int


async def seal_all(store: Store) -> Sealing:
    """Seal what is not sealed yet."""

    async def job(connection: AsyncConnection) -> Sealing:
        before = await seals.head(connection)
        end = await seals.seal(connection)
        return Sealing(end.position - before.position, end.position)

    return await store.write(job)


async def make_checkpoint(store: Store, actor: Actor, *, now: Clock = utc_now) -> Checkpoint:
    """Say what the end of the chain is, and note in the ledger that it was said; the note comes behind that end."""
    at = now().replace(microsecond=0)

    async def job(connection: AsyncConnection) -> Checkpoint:
        end = await seals.seal(connection)
        entry = Entry(at, actor.name, actor.source, Action.CHECKPOINT, count=end.position, digest=end.digest)
        await entries.append(connection, entry)
        return Checkpoint(end.position, end.digest, at)

    return await store.write(job)
