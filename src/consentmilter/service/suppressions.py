"""The one way to change suppressions, and to read what holds and why.

Only assertions add, and nothing here weakens but `lift`, which asks for evidence. Each change goes in with its ledger
entry in one transaction; functions return after commit. Clock and randomness are passed in. Raises UsageError for what
makes no sense, and StoreError and its kinds from the store: then nothing has happened.
"""

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence, rows_digest
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.store import batches, entries, suppressions
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store

CHUNK_ROWS = 10_000
"""As many rows go in under one hold of the lock; others that write wait so long."""

Clock = Callable[[], datetime]
Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and by what way: ("alice", "cli"), ("", "click")."""

    name: str
    source: str

    @property
    def origin(self) -> str:
        return f"{self.source}:{self.name}" if self.name else self.source


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of assertions: so many made a suppression, so many repeated one."""

    new: int
    known: int


def utc_now() -> datetime:
    return datetime.now(UTC)


async def assert_one(
    store: Store, assertion: Assertion, actor: Actor, *, now: Clock = utc_now, random: Random = secrets.token_bytes
) -> Outcome:
    """Record what somebody said."""
    return await assert_many(store, [assertion], actor, now=now, random=random)


async def assert_many(
    store: Store,
    assertions: Sequence[Assertion],
    actor: Actor,
    *,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Outcome:
    """Record what several people said, all of it or nothing, with a ledger entry each."""
    at = now()

    async def job(connection: AsyncConnection) -> Outcome:
        new = 0
        for assertion in assertions:
            row = _suppression(assertion, actor.origin, None, at)
            made = await suppressions.put(connection, row)
            said = _said(assertion.address, assertion.evidence, created=assertion.at, expires=assertion.expires)
            evidence = Evidence(random(SALT_OCTETS), said) if said else None
            action = Action.ADD if made else Action.REPEAT
            await entries.append(connection, _entry(actor, action, row, at, evidence))
            new += made
        return Outcome(new, len(assertions) - new)

    return await store.write(job)


async def lift(
    store: Store,
    subject: bytes,
    scope: str | None = None,
    reason: Reason | None = None,
    *,
    evidence: str,
    actor: Actor,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> list[Suppression]:
    """Remove a subject's suppressions, of one scope or reason if given, and return them; each has a ledger entry."""
    if not evidence.strip():
        raise UsageError("lifting a suppression needs evidence: say who asked for it, and how")
    at = now()

    async def job(connection: AsyncConnection) -> list[Suppression]:
        removed = await suppressions.remove(connection, subject, scope, reason)
        for row in removed:
            said = _said(row.address, evidence, created=row.created, expires=row.expires)
            proof = Evidence(random(SALT_OCTETS), said)
            await entries.append(connection, _entry(actor, Action.LIFT, row, at, proof))
        return removed

    return await store.write(job)


async def find_batch(store: Store, digest: bytes, scope: str, reason: Reason) -> Batch | None:
    """The import of a file with this digest, finished or not."""
    return await store.read(lambda connection: batches.find(connection, digest, scope, reason))


async def get_batch(store: Store, batch_id: str) -> Batch | None:
    """The import with this id: what a suppression's `batch` means."""
    return await store.read(lambda connection: batches.get(connection, batch_id))


async def begin_batch(  # noqa: PLR0917 - a batch is all of these
    store: Store,
    file: str,
    digest: bytes,
    actor: Actor,
    scope: str,
    reason: Reason,
    *,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Batch:
    """Begin to import a file, or go on with an import of the same file that was interrupted.

    If the same file was imported to its end, that batch is returned, with `finished` set: nothing is left to assert.
    """
    fresh = Batch(random(8).hex(), file, digest, actor.name, scope, reason, now())

    async def job(connection: AsyncConnection) -> Batch:
        known = await batches.find(connection, digest, scope, reason)
        if known is None:
            await batches.add(connection, fresh)
        return known or fresh

    return await store.write(job)


async def import_chunk(
    store: Store, batch: Batch, assertions: Sequence[Assertion], actor: Actor, *, now: Clock = utc_now
) -> Outcome:
    """Assert some rows of a batch, with one ledger entry over all of them.

    Rows that stand from elsewhere are marked as asserted again, those of this batch are not: an interrupted import
    run again from the start leaves the same. The rows' own evidence is not kept, the digest stands for them.
    """
    if len(assertions) > CHUNK_ROWS:
        raise ValueError(f"a chunk has {CHUNK_ROWS} rows at most, not {len(assertions)}")
    if not assertions:
        return Outcome(0, 0)
    at = now()
    rows = sorted(map(suppressions.to_row, _distinct(assertions, batch.id, at)))
    entry = Entry(
        at, actor.name, actor.source, Action.IMPORT,
        batch=batch.id, scope=batch.scope, reason=batch.reason, count=len(assertions), digest=rows_digest(assertions),
    )  # fmt: skip

    async def job(connection: AsyncConnection) -> Outcome:
        await _refuse_finished(connection, batch)
        new = await suppressions.put_all(connection, rows)
        await entries.append(connection, entry)
        return Outcome(new, len(assertions) - new)

    return await store.write(job)


async def preview_chunk(store: Store, assertions: Sequence[Assertion]) -> Outcome:
    """Say what importing these rows would do, and change nothing."""
    keys = {suppressions.Key(a.subject, a.scope, a.reason) for a in assertions}
    subjects = sorted({key.subject for key in keys})
    standing = await held(store, subjects)
    new = len(keys - {suppressions.Key(row.subject, row.scope, row.reason) for row in standing})
    return Outcome(new, len(assertions) - new)


async def finish_batch(store: Store, batch: Batch, *, rows: int, bad: int, now: Clock = utc_now) -> Batch:
    """End an import that read `rows` rows, `bad` of them unusable, and return it with its counts."""
    at = now()

    async def job(connection: AsyncConnection) -> Batch:
        await _refuse_finished(connection, batch)
        return await batches.finish(connection, batch, at, rows, bad)

    return await store.write(job)


async def held(store: Store, subjects: Sequence[bytes]) -> list[Suppression]:
    """Every suppression of these subjects, expired ones too."""
    return await store.read(lambda connection: suppressions.of_subjects(connection, subjects))


async def history(store: Store, subjects: Sequence[bytes]) -> list[Entry]:
    """Every ledger entry about these subjects, the oldest first; imports are told by their batch, not here."""
    return await store.read(lambda connection: entries.of_subjects(connection, subjects))


async def _refuse_finished(connection: AsyncConnection, batch: Batch) -> None:
    stored = await batches.get(connection, batch.id)
    if stored is None:
        raise UsageError(f"there is no import {batch.id}")
    if stored.finished is not None:
        raise UsageError(f"the import {batch.id} of {stored.file} was finished at {stored.finished:%Y-%m-%d %H:%M} UTC")


def _suppression(assertion: Assertion, origin: str, batch: str | None, at: datetime) -> Suppression:
    return Suppression(
        subject=assertion.subject,
        scope=assertion.scope,
        reason=assertion.reason,
        origin=origin,
        created=assertion.at or at,
        expires=assertion.expires,
        batch=batch,
        address=assertion.address,
    )


def _distinct(assertions: Sequence[Assertion], batch: str, at: datetime) -> Collection[Suppression]:
    """One suppression a key: of rows that say the same, the first, held as long as the longest."""
    found: dict[suppressions.Key, Suppression] = {}
    for assertion in assertions:
        row = _suppression(assertion, "import", batch, at)
        key = suppressions.Key(row.subject, row.scope, row.reason)
        first = found.setdefault(key, row)
        if first is not row:
            found[key] = replace(first, expires=_later(first.expires, row.expires))
    return found.values()


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def _entry(actor: Actor, action: Action, row: Suppression, at: datetime, evidence: Evidence | None) -> Entry:
    return Entry(
        at, actor.name, actor.source, action,
        batch=row.batch, subject=row.subject, scope=row.scope, reason=row.reason,
        commitment=evidence.commitment() if evidence else None, evidence=evidence,
    )  # fmt: skip


def _said(
    address: str | None, evidence: str | None, *, created: datetime | None, expires: datetime | None
) -> dict[str, str]:
    """The fields of an entry's evidence that there are: with the times, a past state of the list can be told."""
    texts = {"address": address, "evidence": evidence}
    times = {"created": created, "expires": expires}
    return {name: text for name, text in texts.items() if text is not None} | {
        name: time.isoformat() for name, time in times.items() if time is not None
    }
