"""Legal holds: as long as one lasts, nothing about the person is erased or pruned.

Each is recorded in the ledger, in the transaction in which it begins or ends. Raises `HeldError` for what may not be
deleted for now, and the store's errors: then nothing has happened.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import ConsentMilterError
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.service.person import Person
from consentmilter.service.suppressions import Actor, Clock, Random, utc_now
from consentmilter.store import entries, holds
from consentmilter.store.holds import Hold
from consentmilter.store.writer import Store


class HeldError(ConsentMilterError):
    """What is held of a person may not be deleted for now; the message says why."""


async def hold(
    store: Store,
    person: Person,
    actor: Actor,
    *,
    cause: str,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Hold | None:
    """Have nothing about the person deleted from now on; if that holds already, return the hold that there is."""
    at = now()

    async def job(connection: AsyncConnection) -> Hold | None:
        found = await holds.of_subjects(connection, person.keys)
        free = [key for key in person.keys if key not in {each.subject for each in found}]
        for key in free:
            await holds.add(connection, Hold(key, at, actor.origin, cause))
        await entries.append_all(connection, _entries(Action.HOLD, free, actor, at, cause, random))
        return None if free else found[0]

    return await store.write(job)


async def release(
    store: Store,
    person: Person,
    actor: Actor,
    *,
    evidence: str,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Hold | None:
    """End the hold, and return the one that there was."""
    at = now()

    async def job(connection: AsyncConnection) -> Hold | None:
        found = await holds.of_subjects(connection, person.keys)
        held = [each.subject for each in found]
        await holds.remove(connection, held)
        await entries.append_all(connection, _entries(Action.RELEASE, held, actor, at, evidence, random))
        return found[0] if found else None

    return await store.write(job)


async def held(store: Store, person: Person) -> Hold | None:
    """The hold that lasts, if one does."""
    found = await store.read(lambda connection: holds.of_subjects(connection, person.keys))
    return found[0] if found else None


async def refuse_held(connection: AsyncConnection, person: Person) -> None:
    """Refuse to delete anything about a person who is under a legal hold."""
    for each in await holds.of_subjects(connection, person.keys):
        raise HeldError(
            f"{person.address} is under a legal hold since {each.since:%Y-%m-%d %H:%M} UTC by {each.actor}: "
            f"{each.cause}; nothing is deleted until `consentmilter subject release`"
        )


def _entries(  # noqa: PLR0917 - what an entry is made of
    action: Action, keys: Sequence[bytes], actor: Actor, at: datetime, evidence: str, random: Random
) -> list[Entry]:
    told = []
    for key in keys:
        proof = Evidence(random(SALT_OCTETS), {"evidence": evidence})
        entry = Entry(
            at, actor.name, actor.source, action,
            subject=key, commitment=proof.commitment(), evidence=proof,
        )  # fmt: skip
        told.append(entry)
    return told
