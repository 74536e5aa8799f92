"""What the list said of a person at a time that is past, as the ledger tells, and what became of mail around it.

The ledger has an entry for everything but the single rows of an import: of these it is known that the import ran from
one time to another, and they are taken to stand from its end on. Journalled is everything but a plain accept. Raises
StoreError and its kinds.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.ledger import Action, Entry
from consentmilter.model import Suppression
from consentmilter.policy.facts import Facts
from consentmilter.service.replay import Replay, erased, imported_rows, replayed
from consentmilter.store import batches, entries, journal_times, suppressions
from consentmilter.store.batches import Batch
from consentmilter.store.journal import JournalRow
from consentmilter.store.writer import Store

AROUND = timedelta(hours=24)
"""So long before and after is mail told of."""


@dataclass(frozen=True, slots=True)
class Past:
    """What stood at a time, and how it came about; `entries` and `imports` are those up to then.

    `running` are imports that ran at that very time: which of their rows stood is not known. `erased` says that
    personal fields of an entry up to then were erased since, so that times of its own are not known.
    """

    facts: Facts
    entries: list[Entry]
    imports: list[Batch]
    running: list[str]
    erased: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """What became of mail, but for plain accepts, and since when the journal tells of any; None if it is empty."""

    rows: list[JournalRow]
    since: datetime | None


async def past(store: Store, keys: Sequence[bytes], at: datetime) -> Past:
    """What stood at that time under these keys."""

    async def job(connection: AsyncConnection) -> Past:
        said = await entries.of_subjects(connection, keys)
        rows = [_as_then(row, at) for row in await suppressions.of_subjects(connection, keys)]
        of_rows, of_entries = [row.batch for row in rows], [entry.batch for entry in said]
        named = [batch for batch in dict.fromkeys([*of_rows, *of_entries]) if batch]
        chunks = await entries.of_batches(connection, named)
        replay = replayed(said, imported_rows(rows, said, chunks), at)
        known = {chunk.batch for chunk in chunks if chunk.at <= at} | {each.batch for each in said if each.at <= at}
        records = [await batches.get(connection, batch) for batch in named if batch in known]
        told = [entry for entry in said if entry.at <= at]
        return Past(
            facts=Facts(_suppressions(replay, keys), list(replay.consents.values())),
            entries=told,
            imports=[record for record in records if record is not None],
            running=[batch for batch in named if _runs(chunks, batch, at)],
            erased=any(map(erased, told)),
        )

    return await store.read(job)


async def mail_around(journal_url: str, keys: Sequence[bytes], at: datetime, stream: str | None = None) -> Mail:
    """What the journal tells of mail to these people around that time, of one stream or of all."""

    def work() -> Mail:
        rows = journal_times.between(journal_url, keys, at - AROUND, at + AROUND)
        return Mail([row for row in rows if stream in (None, row.stream)], journal_times.first(journal_url))

    return await asyncio.to_thread(work)


def _as_then(row: Suppression, at: datetime) -> Suppression:
    """A row that stands without what was said again of it later."""
    again = row.repeated is not None and row.repeated <= at
    return replace(row, asserted_again=again, repeated=row.repeated if again else None)


def _suppressions(replay: Replay, keys: Sequence[bytes]) -> list[Suppression]:
    rows = [told.row for told in replay.suppressions.values()]
    return sorted(rows, key=lambda row: (keys.index(row.subject), row.scope, row.reason))


def _runs(chunks: Sequence[Entry], batch: str, at: datetime) -> bool:
    """Whether an import was between its first and its last entry."""
    times = [chunk.at for chunk in chunks if chunk.batch == batch and chunk.action is Action.IMPORT]
    return bool(times) and min(times) <= at < max(times)
