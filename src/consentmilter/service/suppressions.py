"""The one way to change suppressions, and to read what holds and why.

Only assertions add, and nothing here weakens but `lift`, which asks for evidence. Each change goes in with its ledger
entry in one transaction; functions return after commit. Clock and randomness are passed in. Raises UsageError for what
makes no sense, and StoreError and its kinds from the store: then nothing has happened.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.hashes import LIST_ORIGIN
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import Assertion, Reason, Suppression
from consentmilter.store import batches, entries, suppressions
from consentmilter.store.batches import Batch
from consentmilter.store.chunks import put_rows
from consentmilter.store.ready import Rows
from consentmilter.store.rows import moment, seconds
from consentmilter.store.text import printable
from consentmilter.store.values import Source
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
        told = []
        for assertion in assertions:
            row = _suppression(assertion, actor.origin, None, at)
            made = await suppressions.put(connection, row)
            said = _said(assertion.address, assertion.evidence, created=assertion.at, expires=assertion.expires)
            evidence = Evidence(random(SALT_OCTETS), said) if said else None
            action = Action.ADD if made else Action.REPEAT
            told.append(_entry(actor, action, row, at, evidence))
            new += made
        await entries.append_all(connection, told)
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
    return await lift_many(store, [subject], scope, reason, evidence=evidence, actor=actor, now=now, random=random)


async def lift_many(
    store: Store,
    subjects: Sequence[bytes],
    scope: str | None = None,
    reason: Reason | None = None,
    *,
    evidence: str,
    actor: Actor,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> list[Suppression]:
    """Do as `lift` for several subjects, all of it or nothing."""
    if not evidence.strip():
        raise UsageError("lifting a suppression needs evidence: say who asked for it, and how")
    at = now()

    async def job(connection: AsyncConnection) -> list[Suppression]:
        removed = [row for subject in subjects for row in await suppressions.remove(connection, subject, scope, reason)]
        await entries.append_all(connection, [lifted(row, evidence, actor, at, random) for row in removed])
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

    If the same file was imported to its end, that batch is returned, with `finished` set: nothing is left to assert. An
    import that was undone does not count.
    """
    fresh = Batch(random(8).hex(), file, digest, actor.name, scope, reason, now())

    async def job(connection: AsyncConnection) -> Batch:
        known = await batches.find(connection, digest, scope, reason)
        if known is None:
            await batches.add(connection, fresh)
        return known or fresh

    return await store.write(job)


async def import_rows(
    store: Store,
    batch: Batch,
    rows: Rows,
    actor: Actor,
    *,
    list_name: str | None = None,
    now: Clock = utc_now,
) -> Outcome:
    """Assert some rows of a batch, of a hash list if there is a `list_name`, with one ledger entry over all of them.

    Rows that stand from elsewhere are marked as asserted again, those of this batch are not: an interrupted import
    run again from the start leaves the same. What is asserted lasts for certain when the batch has been finished.
    """
    if rows.count > CHUNK_ROWS:
        raise ValueError(f"a chunk has {CHUNK_ROWS} rows at most, not {rows.count}")
    if not rows.count:
        return Outcome(0, 0)
    source = rows.written.source if rows.written else source_of(batch, list_name, now)
    entry = Entry(
        moment(source.recorded), actor.name, actor.source, Action.IMPORT,
        batch=batch.id, scope=batch.scope, reason=batch.reason, count=rows.count, digest=rows.digest,
    )  # fmt: skip

    async def job(connection: AsyncConnection) -> Outcome:
        await _refuse_ended(connection, batch)
        new = await put_rows(connection, source, rows.distinct, rows.written)
        await entries.append(connection, entry)
        return Outcome(new, rows.count - new)

    return await store.write(job, lasting=False)


async def finish_batch(
    store: Store, batch: Batch, *, rows: int, bad: int, skipped: int = 0, now: Clock = utc_now
) -> Batch:
    """End an import that read `rows` rows, `bad` of them unusable, `skipped` no opt-outs, and return it with counts.

    New is what it made and still stands, known all other good rows.
    """
    at = now()
    new = await store.read(lambda connection: batches.count_made(connection, batch.id))  # long: not under the lock
    known = rows - bad - skipped - new
    ended = replace(batch, finished=at, rows=rows, new=new, known=known, bad=bad, skipped=skipped)

    async def job(connection: AsyncConnection) -> Batch:
        await _refuse_ended(connection, batch)
        await batches.finish(connection, ended)
        return ended

    return await store.write(job)


async def held(store: Store, subjects: Sequence[bytes]) -> list[Suppression]:
    """Every suppression of these subjects, expired ones too."""
    return await store.read(lambda connection: suppressions.of_subjects(connection, subjects))


async def history(store: Store, subjects: Sequence[bytes]) -> list[Entry]:
    """Every ledger entry about these subjects, the oldest first; imports are told by their batch, not here."""
    return await store.read(lambda connection: entries.of_subjects(connection, subjects))


def lifted(row: Suppression, evidence: str, actor: Actor, at: datetime, random: Random) -> Entry:
    """The ledger entry of a suppression that is removed, with all that is needed to tell the state before."""
    said = _said(row.address, evidence, created=row.created, expires=row.expires)
    return _entry(actor, Action.LIFT, row, at, Evidence(random(SALT_OCTETS), said))


async def _refuse_ended(connection: AsyncConnection, batch: Batch) -> None:
    stored = await batches.get(connection, batch.id)
    if stored is None:
        raise UsageError(f"there is no import {batch.id}")
    for ended, what in ((stored.undone, "undone"), (stored.finished, "finished")):
        if ended is not None:
            raise UsageError(f"the import {batch.id} of {stored.file} was {what} at {ended:%Y-%m-%d %H:%M} UTC")


def source_of(batch: Batch, list_name: str | None, now: Clock = utc_now) -> Source:
    """Where the rows of a batch come from that are recorded now, of a hash list if there is a `list_name`."""
    recorded = seconds(now())
    if list_name is None:
        return Source("import", batch.id, recorded)
    name = printable(list_name)
    return Source(f"{LIST_ORIGIN}{name}", batch.id, recorded, name)


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
