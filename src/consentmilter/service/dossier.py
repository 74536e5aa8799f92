"""Everything that is held of one person: what they may ask to see (GDPR Art. 15).

The list is read at one moment, the journal right after it. That a dossier was handed out is noted in the ledger, with
the digest of what it said. Raises the store's errors.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.hashes import LIST_ORIGIN, NAMES
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import Consent, Suppression
from consentmilter.service.person import Person
from consentmilter.service.soft_bounces import DAY
from consentmilter.service.suppressions import Actor, Clock, Random, utc_now
from consentmilter.store import batches, consents, entries, holds, journal_upkeep, rights, suppressions
from consentmilter.store.batches import Batch
from consentmilter.store.holds import Hold
from consentmilter.store.journal import JournalRow
from consentmilter.store.reviews import Review
from consentmilter.store.rights import Asked, Failures
from consentmilter.store.rows import moment
from consentmilter.store.writer import Store


@dataclass(frozen=True, slots=True)
class Dossier:
    """All records about a person; `listed` are entries of partners' hash lists that mean the same address."""

    person: Person
    suppressions: Sequence[Suppression]
    listed: Sequence[Suppression]
    consents: Sequence[Consent]
    ledger: Sequence[Entry]
    imports: Sequence[Batch]
    reviews: Sequence[Review]
    confirmations: Sequence[Asked]
    bounces: Sequence[Failures]
    holds: Sequence[Hold]
    journal: Sequence[JournalRow]

    def __len__(self) -> int:
        """How many records there are; an import is one of the file, not of the person."""
        parts = (
            self.suppressions, self.listed, self.consents, self.ledger, self.reviews, self.confirmations,
            self.bounces, self.holds, self.journal,
        )  # fmt: skip
        return sum(map(len, parts))


async def gather(store: Store, journal_url: str, person: Person) -> Dossier:
    """Read everything about a person."""
    found = await store.read(lambda connection: _core(connection, person))
    journalled = await asyncio.to_thread(journal_upkeep.of_subjects, journal_url, person.keys)
    return Dossier(person, *found, journal=journalled)


async def note(
    store: Store,
    dossier: Dossier,
    written: bytes,
    actor: Actor,
    evidence: str | None = None,
    *,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> None:
    """Note in the ledger that the dossier was handed out, as these octets."""
    proof = Evidence(random(SALT_OCTETS), {"evidence": evidence}) if evidence else None
    entry = Entry(
        now(), actor.name, actor.source, Action.EXPORT,
        subject=dossier.person.key, count=len(dossier), digest=hashlib.blake2b(written, digest_size=32).digest(),
        commitment=proof.commitment() if proof else None, evidence=proof,
    )  # fmt: skip
    await store.write(lambda connection: entries.append(connection, entry))


_Core = tuple[
    list[Suppression], list[Suppression], list[Consent], list[Entry], list[Batch],
    list[Review], list[Asked], list[Failures], list[Hold],
]  # fmt: skip


async def _core(connection: AsyncConnection, person: Person) -> _Core:
    keys = person.keys
    own = await suppressions.of_subjects(connection, keys)
    # An MD5 is as long as a key, so the two are asked for apart.
    listed = await suppressions.of_subjects(connection, person.digests)
    told = await entries.of_subjects(connection, keys)
    named = dict.fromkeys([row.batch for row in (*own, *listed)] + [entry.batch for entry in told])
    found = [await batches.get(connection, batch) for batch in named if batch]
    return (
        own,
        listed,
        await consents.of_subjects(connection, keys),
        told,
        [batch for batch in found if batch],
        await rights.mail_from(connection, keys),
        await rights.asked(connection, keys),
        await rights.failures(connection, keys),
        await holds.of_subjects(connection, keys),
    )


def told(dossier: Dossier, at: datetime) -> dict[str, Any]:
    """The dossier as plain data, for JSON and for a page."""
    person = dossier.person
    return {
        "subject": person.address,
        "keys": [key.hex() for key in person.keys],
        "made": at.isoformat(),
        "suppressions": [_suppression(row) | {"address": row.address or None} for row in dossier.suppressions],
        "hash_lists": [_listed(row) for row in dossier.listed],
        "consents": [_consent(row) for row in dossier.consents],
        "ledger": [_entry(entry) for entry in dossier.ledger],
        "imports": [_import(batch) for batch in dossier.imports],
        "mail": [_review(item) for item in dossier.reviews],
        "confirmations": [{"scope": each.scope, "sent": each.sent.isoformat()} for each in dossier.confirmations],
        "bounces": [
            {"scope": each.scope, "day": moment(each.day * DAY).date().isoformat(), "count": each.count}
            for each in dossier.bounces
        ],
        "holds": [
            {"since": each.since.isoformat(), "actor": each.actor, "cause": each.cause} for each in dossier.holds
        ],
        "journal": [_verdict(row) for row in dossier.journal],
    }


def _suppression(row: Suppression) -> dict[str, Any]:
    return {
        "scope": row.scope,
        "reason": row.reason.value,
        "since": row.created.isoformat(),
        "expires": _time(row.expires),
        "last_said": row.last_said.isoformat(),
        "origin": row.origin,
        "batch": row.batch,
    }


def _listed(row: Suppression) -> dict[str, Any]:
    told_by = {"list": row.origin.removeprefix(LIST_ORIGIN), "algorithm": NAMES[len(row.subject)]}
    return told_by | {"digest": row.subject.hex()} | _suppression(row)


def _consent(row: Consent) -> dict[str, Any]:
    return {
        "stream": row.stream,
        "state": row.state.value,
        "basis": row.basis.value,
        "at": row.at.isoformat(),
        "confirmed": row.confirmed,
        "origin": row.origin,
        "batch": row.batch,
        "address": row.address,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at.isoformat(),
        "action": entry.action.value,
        "scope": entry.scope,
        "reason": entry.reason.value if entry.reason else None,
        "actor": entry.actor,
        "source": entry.source,
        "batch": entry.batch,
        "evidence": dict(entry.evidence.data) if entry.evidence else {},
    }


def _import(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "file": batch.file,
        "actor": batch.actor,
        "started": batch.started.isoformat(),
        "finished": _time(batch.finished),
    }


def _review(item: Review) -> dict[str, Any]:
    return {
        "id": item.id,
        "at": item.at.isoformat(),
        "kind": item.kind,
        "scope": item.scope,
        "address": item.address,
        "words": item.words,
        "closed": _time(item.closed),
        "decision": item.decision,
    }


def _verdict(row: JournalRow) -> dict[str, Any]:
    names = ("verdict", "reason", "scope", "stream", "category", "login", "client", "listener", "queue_id", "ref")
    return {"at": row.at.isoformat(), **{name: getattr(row, name) for name in names}, "mode": row.mode.value,
            "detail": row.detail}  # fmt: skip


def _time(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
