"""Whether the rows of imports that stand are those that were read then, by the digests in the ledger.

An import's entry stands for up to 10,000 rows of the file, in the order of their keys. Where the import made all of
them, they can be put together again from the tables and the entries that lifted some; where others had said the same
before, or have said it since, only the file itself can tell. Raises StoreError and its kinds.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from consentmilter.ledger import Action, Entry, said_digest
from consentmilter.model import Suppression
from consentmilter.service.replay import asserted
from consentmilter.store import batches, entries, exports, people
from consentmilter.store.exports import Choice
from consentmilter.store.rows import seconds
from consentmilter.store.suppressions import Key
from consentmilter.store.writer import Store

_ROWS_AT_ONCE = 5_000

_subject = attrgetter("subject")

_Row = tuple[bytes, str, str, int | None, int | None]


class _Page(NamedTuple):
    """Some rows, and whether any of them was asserted again and may hold longer than it did."""

    rows: list[_Row]
    touched: bool


class Outcome(StrEnum):
    """What the digests tell of an import."""

    SAME = "same"
    """Its rows are those of the file."""
    DIFFERENT = "different"
    """They are not."""
    OPEN = "open"
    """Only the file could tell."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One import, what its digests tell, and why they tell nothing if so."""

    batch: str
    file: str
    rows: int
    outcome: Outcome
    cause: str | None = None


async def compare_imports(store: Store) -> AsyncIterator[Compared]:
    """Every import, the oldest first."""
    for batch in await store.read(people.imports):
        told = await store.read(lambda connection: entries.of_batches(connection, [batch]))  # noqa: B023 - awaited at once
        chunks = [entry for entry in told if entry.action is Action.IMPORT]
        if chunks:
            yield await _compared(store, batch, chunks)


async def _compared(store: Store, batch: str, chunks: list[Entry]) -> Compared:
    record = await store.read(lambda connection: batches.get(connection, batch))
    assert record is not None
    rows = sum(chunk.count for chunk in chunks)
    lifted = await _lifted(store, batch)
    made = await store.read(lambda connection: batches.count_made(connection, batch)) + len(lifted)
    if record.undone is not None:
        return Compared(batch, record.file, rows, Outcome.OPEN, "it was undone")
    if record.finished is not None and made != record.new:
        pruned = await store.read(lambda connection: entries.last_of(connection, Action.PRUNE))
        if made < record.new and pruned is not None:
            return Compared(batch, record.file, rows, Outcome.OPEN, "some of its rows may have ended and been removed")
        cause = f"it made {record.new} rows, and of these the tables and the ledger know {made}"
        return Compared(batch, record.file, rows, Outcome.DIFFERENT, cause)
    if made != rows:
        return Compared(batch, record.file, rows, Outcome.OPEN, f"{rows - made} of its rows stood already")
    if await store.read(lambda connection: people.hash_rows(connection, batch)):
        return Compared(batch, record.file, rows, Outcome.OPEN, "it was a hash list, or had one in it")
    return Compared(batch, record.file, rows, *await _by_digest(store, batch, chunks, lifted))


async def _by_digest(
    store: Store, batch: str, chunks: list[Entry], lifted: list[Suppression]
) -> tuple[Outcome, str | None]:
    """Put the rows of each chunk together again, and compare its digest."""
    recorded = {seconds(chunk.at) for chunk in chunks}
    waiting: list[_Row] = []
    touched, source = bool(lifted), aiter(_rows(store, batch, recorded, lifted))
    for number, chunk in enumerate(chunks, 1):
        while len(waiting) < chunk.count and (page := await anext(source, None)) is not None:
            waiting += page.rows
            touched = touched or page.touched
        mine, waiting = waiting[: chunk.count], waiting[chunk.count :]
        if said_digest(mine) == chunk.digest:
            continue
        if touched:
            return Outcome.OPEN, "some of its rows were lifted or asserted again since"
        return Outcome.DIFFERENT, f"the rows of its part {number} are not those that were read"
    return Outcome.SAME, None


async def _rows(store: Store, batch: str, recorded: set[int], lifted: list[Suppression]) -> AsyncIterator[_Page]:
    """The rows that an import made, in the order of their keys, those that were lifted since among them."""
    after = b""
    while rows := await store.read(lambda c: exports.people(c, Choice(batch=batch), after, _ROWS_AT_ONCE)):  # noqa: B023 - awaited at once
        touched = any(row.asserted_again for row in rows)
        last = rows[-1].subject
        rows += [row for row in lifted if after < row.subject <= last]
        yield _Page([_said(row, recorded) for row in sorted(rows, key=_subject)], touched)
        after = last
    yield _Page([_said(row, recorded) for row in sorted(lifted, key=_subject) if row.subject > after], touched=False)


def _said(row: Suppression, recorded: set[int]) -> _Row:
    """What the file said; where it gave no time, the row has that of the recording."""
    since = seconds(row.created)
    expires = None if row.expires is None else seconds(row.expires)
    return row.subject, row.scope, row.reason.value, None if since in recorded else since, expires


async def _lifted(store: Store, batch: str) -> list[Suppression]:
    """The rows of an import that were lifted, as they were."""
    told = await store.read(lambda connection: entries.lifts_of(connection, batch))
    return [
        asserted(Key(each.subject, each.scope, each.reason), each)
        for each in told
        if each.subject and each.scope and each.reason
    ]
