"""Remove what was kept long enough, a thousand records at a time, with a ledger entry for each thousand.

Between two of these others can write, and a prune that was cut short is completed by the next one. Of the journal, a
database of its own, the rows go first and the entry follows. Raises the store's errors; what was removed before stays
removed.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.config import Config
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.service.suppressions import Actor, Clock, Random, utc_now
from consentmilter.store import entries, holds, journal_upkeep, retention
from consentmilter.store.journal_upkeep import Place
from consentmilter.store.retention import RECORDS, Counts, Key, Kind, Records
from consentmilter.store.rows import seconds
from consentmilter.store.writer import Job, Store

RECORDS_AT_ONCE = 1000

CONFIRMATIONS_KEPT = timedelta(days=30)
"""Nobody is asked twice within a day; that is all that these are for."""

Progress = Callable[[Kind, int], None]
"""Told how many more records of a kind are gone."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go, of one kind, and what is kept back though it is older than `before`.

    Without `before` everything of the kind is kept.
    """

    kind: Kind
    before: datetime | None
    removed: int
    kept: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Which time each kind is kept from, None for what is kept for ever, and where the journal is."""

    before: Mapping[Kind, datetime | None]
    journal_url: str

    @classmethod
    def of(cls, config: Config, journal_url: str, now: datetime) -> "Terms":
        """What the configuration says."""
        said, now = config.retention, now.replace(microsecond=0)
        # What the intake still counts is never too old.
        bounces = None if said.bounces is None else max(said.bounces, config.intake.soft_bounce_window)
        lengths = {
            Kind.JOURNAL: said.journal,
            Kind.EXPIRED: said.expired,
            Kind.REVIEWS: said.reviews,
            Kind.BOUNCES: bounces,
            Kind.CONFIRMATIONS: CONFIRMATIONS_KEPT.total_seconds(),
            Kind.EVIDENCE: said.evidence,
        }
        before = {kind: None if length is None else _earlier(now, length) for kind, length in lengths.items()}
        return cls(before, journal_url)


async def preview(store: Store, terms: Terms) -> list[Pruned]:
    """Say what would go, and change nothing."""
    return [await _counted(store, terms, kind) for kind in Kind]


async def prune(
    store: Store,
    terms: Terms,
    actor: Actor,
    *,
    progress: Progress = lambda _kind, _rows: None,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> list[Pruned]:
    """Remove what is too old, kind by kind."""
    done = []
    run = _Run(store, actor, progress, now, random)
    for kind in Kind:
        counted = await _counted(store, terms, kind)
        before, removed = counted.before, 0
        if before is not None and counted.removed:
            removed = (
                await run.journal(terms.journal_url, before) if kind is Kind.JOURNAL else await run.core(kind, before)
            )
        done.append(Pruned(kind, before, removed, counted.kept))
    return done


class _Run:
    """One prune under way."""

    def __init__(self, store: Store, actor: Actor, progress: Progress, now: Clock, random: Random) -> None:
        self._store = store
        self._actor = actor
        self._progress = progress
        self._now = now
        self._random = random

    async def core(self, kind: Kind, before: datetime) -> int:
        """Remove records of the list's tables."""
        done = 0
        for records in _of(kind):
            after: Key | None = None
            while keys := await self._store.read(_finding(records, before, after)):
                removed = await self._store.write(self._removing(records, before, keys))
                self._progress(kind, removed)
                done += removed
                after = keys[-1]
        return done

    async def journal(self, url: str, before: datetime) -> int:
        """Remove rows of the journal."""
        done = after = 0
        while places := await asyncio.to_thread(journal_upkeep.old, url, before, after):
            ids = [place.id for place in await _free(self._store, places)]
            removed = await asyncio.to_thread(journal_upkeep.remove, url, ids, before) if ids else 0
            if removed:
                entry = self._entry(Kind.JOURNAL, before, removed)
                await self._store.write(lambda connection: entries.append(connection, entry))  # noqa: B023 - awaited at once
            self._progress(Kind.JOURNAL, removed)
            done += removed
            after = places[-1].id
        return done

    def _removing(self, records: Records, before: datetime, keys: list[Key]) -> Job[int]:
        async def job(connection: AsyncConnection) -> int:
            removed = await retention.remove(connection, records, seconds(before), keys)
            if removed:
                await entries.append(connection, self._entry(records.kind, before, removed))
            return removed

        return job

    def _entry(self, kind: Kind, before: datetime, count: int) -> Entry:
        proof = Evidence(self._random(SALT_OCTETS), {"kind": kind.value, "before": before.isoformat()})
        return Entry(
            self._now(), self._actor.name, self._actor.source, Action.PRUNE,
            count=count, commitment=proof.commitment(), evidence=proof,
        )  # fmt: skip


async def _counted(store: Store, terms: Terms, kind: Kind) -> Pruned:
    """How much there is to remove of a kind, and to keep back."""
    before = terms.before[kind]
    if before is None:
        return Pruned(kind, None, 0, 0)
    if kind is Kind.JOURNAL:
        due, kept = await _count_journal(store, terms.journal_url, before)
    else:
        due = kept = 0
        for records in _of(kind):
            counts = await store.read(lambda c: retention.count(c, records, seconds(before)))  # noqa: B023 - awaited at once
            due, kept = due + counts.due, kept + counts.kept
    return Pruned(kind, before, due, kept)


async def _count_journal(store: Store, url: str, before: datetime) -> Counts:
    due = kept = after = 0
    while places := await asyncio.to_thread(journal_upkeep.old, url, before, after):
        free = len(await _free(store, places))
        due, kept = due + free, kept + len(places) - free
        after = places[-1].id
    return Counts(due, kept)


async def _free(store: Store, places: Sequence[Place]) -> list[Place]:
    """Those of the journal's rows that need not be kept for the person's sake."""
    about = list({place.subject for place in places if place.subject is not None})
    kept = await store.read(lambda connection: holds.kept_among(connection, about))
    return [place for place in places if place.subject not in kept]


def _of(kind: Kind) -> list[Records]:
    return [records for records in RECORDS if records.kind is kind]


def _finding(records: Records, before: datetime, after: Key | None) -> Job[list[Key]]:
    return lambda connection: retention.find(connection, records, seconds(before), after, RECORDS_AT_ONCE)


def _earlier(now: datetime, length: float) -> datetime:
    """The time so many seconds ago; there is nothing before the epoch."""
    return max(now - timedelta(seconds=length), datetime.fromtimestamp(0, UTC))
