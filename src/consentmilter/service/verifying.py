"""Whether the ledger is what was written: every entry in its place, none altered, missing, moved or slipped in.

The chain is read from its beginning, some hundred entries at a time, beside whatever is being written; memory stays
flat. The first fault ends the reading: behind it, nothing the chain says counts. Who can write to the database can also
make a new chain, and only a checkpoint that lies elsewhere tells that. Raises StoreError and its kinds where the store
cannot answer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from consentmilter.chain import START, evidence_fault, is_blank, link
from consentmilter.checkpoints import Checkpoint
from consentmilter.errors import StoreError
from consentmilter.store import seals
from consentmilter.store.seals import Sealed
from consentmilter.store.writer import Store


class Kind(StrEnum):
    """What is wrong."""

    ALTERED = "altered"
    """An entry, or its seal, is not what was written, or not where it was."""
    MISSING = "missing"
    """An entry or a seal that there was is gone."""
    UNSEALED = "unsealed"
    """An entry has no place in the chain: it did not come in by this program."""
    EVIDENCE = "evidence"
    """The personal fields of an entry are neither what they were nor blank."""
    CHECKPOINT = "checkpoint"
    """The chain is not the one that the checkpoint was taken of."""
    SIGNATURE = "signature"
    """The checkpoint was not signed with the key, so nothing can be told by it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong: at which place of the chain, with which entry, as far as there is one."""

    kind: Kind
    position: int | None
    entry: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Verified:
    """How far the chain was read, how many entries had their personal fields erased, and what is wrong, if anything."""

    entries: int
    blanked: int
    digest: bytes
    fault: Fault | None


async def verify(
    store: Store, checkpoint: Checkpoint | None = None, progress: Callable[[float], None] = lambda _part: None
) -> Verified:
    """Read the whole chain; `progress` is told which part of it is done."""
    total = await store.read(seals.count)
    reading = _Reading(checkpoint)
    while page := await _page(store, reading):
        if not all(map(reading.take, page)):
            break
        progress(reading.position / max(total, reading.position))
    fault = reading.fault or await _outside_fault(store) or reading.beyond()
    return Verified(reading.position, reading.blanked, reading.digest, fault)


class _Reading:
    """What is known of the chain so far: good up to `position`, unless there is a `fault`."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self._checkpoint = checkpoint
        self.position = 0
        self.digest = START
        self.blanked = 0
        self.fault: Fault | None = None

    def take(self, place: Sealed) -> bool:
        """Go on by one place; false if something is wrong with it."""
        expected = self.position + 1
        self.fault = _gap(expected, place) or self._fault(place)
        if self.fault is None:
            self.position = expected
            self.blanked += is_blank(place.salt, place.data)
            self.fault = self._other_than_then()
        return self.fault is None

    def beyond(self) -> Fault | None:
        """What is wrong if the checkpoint is one of a longer chain."""
        if self._checkpoint is None or self._checkpoint.position <= self.position:
            return None
        text = f"the chain has {self.position} entries, and had {self._checkpoint.position} at the checkpoint"
        return Fault(Kind.MISSING, self.position + 1, None, text)

    def _other_than_then(self) -> Fault | None:
        if self._checkpoint is None or self._checkpoint.position != self.position:
            return None
        if self._checkpoint.digest == self.digest:
            return None
        text = f"the first {self.position} entries are others than at the checkpoint: the ledger was written anew"
        return Fault(Kind.CHECKPOINT, self.position, None, text)

    def _fault(self, place: Sealed) -> Fault | None:
        position, number = place.position, place.ledger_id
        if place.entry is None:
            return Fault(Kind.MISSING, position, number, f"entry {number} is gone; its place was {position}")
        try:
            digest = link(self.digest, place.entry)
        except ValueError as error:
            return _altered(place, str(error))
        if digest != place.digest:
            return _altered(place, "what it says does not fit its seal")
        if (cause := evidence_fault(place.entry, place.salt, place.data)) is not None:
            return Fault(Kind.EVIDENCE, position, number, f"entry {number} at place {position}: {cause}")
        self.digest = digest
        return None


def _gap(expected: int, place: Sealed) -> Fault | None:
    if place.position == expected:
        return None
    return Fault(Kind.MISSING, expected, None, f"the seal at place {expected} is gone; the next is {place.position}")


def _altered(place: Sealed, cause: str) -> Fault:
    text = f"entry {place.ledger_id} at place {place.position} was altered or moved: {cause}"
    return Fault(Kind.ALTERED, place.position, place.ledger_id, text)


async def _page(store: Store, reading: _Reading, rows: int = seals.AT_ONCE) -> list[Sealed]:
    """The next places of the chain; where one of them cannot be read at all, some of those before it."""
    after = reading.position
    try:
        return await store.read(lambda connection: seals.places(connection, after, rows))
    except StoreError as error:
        # Text that is not UTF-8 makes the driver fail. If the store answers otherwise, it is one entry that is wrong.
        waiting = await store.read(lambda connection: seals.positions(connection, after, rows))
        if len(waiting) > 1:
            return await _page(store, reading, len(waiting) // 2)
        [position] = waiting
        text = f"the entry at place {position} cannot be read: {error}"
        reading.fault = Fault(Kind.ALTERED, position, None, text)
        return []


async def _outside_fault(store: Store) -> Fault | None:
    """What is wrong besides the chain, which itself holds: entries outside of it, and what hangs on none."""
    if (number := await store.read(seals.first_unsealed)) is not None:
        return Fault(Kind.UNSEALED, None, number, f"entry {number} is in no place of the chain")
    if (number := await store.read(seals.missing_at_the_end)) is not None:
        return Fault(Kind.MISSING, None, number, f"the last entries are gone: entry {number} was the last of them")
    if (number := await store.read(seals.first_stray)) is not None:
        return Fault(Kind.EVIDENCE, None, number, f"there is evidence of entry {number}, which there is not")
    return None
