"""What people may ask about what is held of them: to move it, to erase it, to do nothing with it, to send no marketing.

Each request is one transaction with its ledger entries, and returns after commit what it did. With `dry_run` the same
is done and taken back before the commit, so the answer is exact and nothing has changed. Nothing here weakens: moving
and erasing leave every opt-out where it stands. Raises `HeldError` for an erasure that has to wait, UsageError for what
makes no sense, and the store's errors: then nothing has happened.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import ALL, Consent, ConsentState, Reason, Suppression
from consentmilter.policy.consents import Said, changed_by
from consentmilter.service.holds import HeldError, refuse_held
from consentmilter.service.person import Person
from consentmilter.service.suppressions import Actor, Clock, Random, utc_now
from consentmilter.store import consents, entries, holds, journal_upkeep, rights, suppressions
from consentmilter.store.writer import Job, Store


@dataclass(frozen=True, slots=True)
class Effect:
    """What a request did, or would do, to records of one kind; `details` names them where that says more."""

    what: str
    done: str
    count: int
    details: tuple[str, ...] = ()


Effects = tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Hand:
    """Who carries a request out, on what evidence, when; `dry_run` takes everything back."""

    actor: Actor
    evidence: str | None = None
    dry_run: bool = False
    now: Clock = utc_now
    random: Random = secrets.token_bytes


async def restrict(store: Store, person: Person, hand: Hand) -> Effects:
    """Send nothing to the person, hand nothing on, delete nothing: only keep (GDPR Art. 18)."""
    return await _carry_out(store, hand, lambda work: work.stop(person, ALL, Reason.LEGAL, Action.RESTRICT))


async def object_to(store: Store, person: Person, scope: str, hand: Hand) -> Effects:
    """Send no marketing in this scope, an organisation or everything (GDPR Art. 21)."""
    return await _carry_out(store, hand, lambda work: work.stop(person, scope, Reason.OBJECTION, Action.OBJECT))


async def rectify(store: Store, old: Person, new: Person, hand: Hand) -> Effects:
    """Have what holds for the old address hold for the new one, too; the old one's consents end.

    What the new address has of its own stays, unless the old one's is stricter. No effect means that nothing is held.
    """
    if set(old.keys) & set(new.keys):
        raise UsageError(f"{old.address} and {new.address} are the same person already")
    return await _carry_out(store, hand, lambda work: work.move(old, new))


async def erase(store: Store, journal_url: str, person: Person, hand: Hand) -> Effects:
    """Leave of a person the key and what keeps them from being mailed, and nothing else.

    No effect means that there is nothing to erase. The journal is a database of its own: cut short between the two, the
    next erasure completes it.
    """
    told = await asyncio.to_thread(journal_upkeep.count_of, journal_url, person.keys)
    done = await _carry_out(store, hand, lambda work: work.erase(person, told))
    if told and not hand.dry_run:
        await asyncio.to_thread(journal_upkeep.forget, journal_url, person.keys)
    return done


async def _carry_out(store: Store, hand: Hand, request: "Callable[[_Work], Awaitable[Effects]]") -> Effects:
    at = hand.now().replace(microsecond=0)  # as the store has it

    async def job(connection: AsyncConnection) -> Effects:
        return await request(_Work(connection, hand, at))

    return await store.write(_taken_back(job) if hand.dry_run else job)


def _taken_back(job: Job[Effects]) -> Job[Effects]:
    """The same job, leaving nothing behind."""

    async def trial(connection: AsyncConnection) -> Effects:
        savepoint = await connection.begin_nested()
        try:
            return await job(connection)
        finally:
            await savepoint.rollback()

    return trial


class _Work:
    """One request within its transaction."""

    def __init__(self, connection: AsyncConnection, hand: Hand, at: datetime) -> None:
        self._connection = connection
        self._hand = hand
        self._at = at

    async def stop(self, person: Person, scope: str, reason: Reason, request: Action) -> Effects:
        """Suppress the person, and note which right it was."""
        said = Suppression(person.key, scope, reason, self._hand.actor.origin, self._at, address=person.stored)
        effect = await self._suppress([said], self._hand.evidence)
        await self._note(request, person, scope, reason, self._hand.evidence)
        return effect

    async def move(self, old: Person, new: Person) -> Effects:
        """Copy suppressions, move consents, and note at both addresses the key of the other."""
        origin, to = f"moved here from the key {old.key.hex()}", f"moved to the key {new.key.hex()}"
        rows = await suppressions.of_subjects(self._connection, [*old.keys, *old.digests])
        copies = [self._copy(row, new) for row in rows if row.holds(self._at)]
        effects = await self._suppress(copies, origin)
        effects += await self._move_consents(old, new, origin, to)
        if not effects:
            return ()
        if await holds.is_restricted(self._connection, old.keys):
            await self._note(Action.RESTRICT, new, ALL, Reason.LEGAL, origin)
        said = f": {self._hand.evidence}" if self._hand.evidence else ""
        await self._note(Action.RECTIFY, old, None, None, f"{to}{said}")
        await self._note(Action.RECTIFY, new, None, None, f"{origin}{said}")
        return effects

    async def erase(self, person: Person, journalled: int) -> Effects:
        """Take away whatever tells who the key belongs to; the request itself is noted behind that."""
        await refuse_held(self._connection, person)
        await self._refuse_unread(person)
        connection, keys = self._connection, person.keys
        await rights.forget_consent_addresses(connection, keys)
        done = (
            Effect("suppressions", "kept without the address", await rights.forget_addresses(connection, keys)),
            await self._end_consents(person, await consents.of_subjects(connection, keys), None),
            Effect("reviews", "removed", await rights.forget_mail(connection, keys)),
            Effect("confirmations", "removed", await rights.forget_questions(connection, keys)),
            Effect("bounces", "removed", await rights.forget_failures(connection, keys)),
            Effect("journal", "kept without the key", journalled),
            Effect("ledger", "evidence blanked", await rights.forget_evidence(connection, keys)),
        )
        effects = tuple(each for each in done if each.count)
        if effects:
            await self._note(Action.ERASE, person, None, None, self._hand.evidence)
        return effects

    async def _refuse_unread(self, person: Person) -> None:
        unread = [item.id for item in await rights.mail_from(self._connection, person.keys) if item.closed is None]
        if unread:
            raise HeldError(
                f"nobody has read what {person.address} wrote, and erased it would be lost: decide "
                f"`consentmilter review {unread[0]}` first"
            )

    async def _move_consents(self, old: Person, new: Person, origin: str, to: str) -> Effects:
        mine = await consents.of_subjects(self._connection, old.keys)
        moved = []
        for each in mine:
            # The new address was never confirmed, and must not override an opt-out that it has.
            said = replace(each, subject=new.key, confirmed=False, batch=None, address=new.stored)
            if each.state is not ConsentState.REQUESTED and await self._say(said, new, origin):
                moved.append(f"{each.state} for {each.stream}")
        ended = await self._end_consents(old, mine, to)
        told = Effect("consents", "moved", len(moved), tuple(moved))
        return tuple(each for each in (told, ended) if each.count)

    async def _end_consents(self, person: Person, held: Iterable[Consent], evidence: str | None) -> Effect:
        """Withdraw whatever is not withdrawn: an address that is not theirs, or not known, can agree to nothing."""
        ended = [each for each in held if each.state is not ConsentState.WITHDRAWN]
        for each in ended:
            await self._say(replace(each, state=ConsentState.WITHDRAWN, at=self._at, batch=None), person, evidence)
        return Effect("consents", "withdrawn", len(ended), tuple(each.stream for each in ended))

    async def _say(self, consent: Consent, person: Person, evidence: str | None) -> bool:
        """Have a consent hold, as far as the others of the person allow it, with its entry; whether it changed one.

        One that ends by an erasure leaves nothing that could be erased.
        """
        said = replace(consent, origin=self._hand.actor.origin)
        changed = changed_by(Said(said, proven=False), await consents.of_subjects(self._connection, person.keys))
        if not changed:
            return False
        await consents.put(self._connection, changed)
        new = changed[0]
        action = Action.WITHDRAW if new.state is ConsentState.WITHDRAWN else Action.GRANT
        told = {"address": new.address, "evidence": evidence, "basis": new.basis.value, "at": new.at.isoformat()}
        await self._tell(action, new.subject, new.stream, None, told if evidence else {})
        return True

    async def _suppress(self, rows: Iterable[Suppression], evidence: str | None) -> Effects:
        """Put suppressions in, each with its ledger entry."""
        made: dict[Action, list[str]] = {Action.ADD: [], Action.REPEAT: []}
        for row in rows:
            action = Action.ADD if await suppressions.put(self._connection, row) else Action.REPEAT
            said = {"address": row.address, "evidence": evidence, "created": row.created.isoformat()}
            said["expires"] = row.expires.isoformat() if row.expires else None
            await self._tell(action, row.subject, row.scope, row.reason, said)
            made[action].append(f"{row.reason} in {row.scope}")
        names = {Action.ADD: "made", Action.REPEAT: "asserted again"}
        return tuple(
            Effect("suppressions", names[action], len(details), tuple(details))
            for action, details in made.items()
            if details
        )

    def _copy(self, row: Suppression, new: Person) -> Suppression:
        return Suppression(
            new.key, row.scope, row.reason, self._hand.actor.origin, row.last_said, row.expires, address=new.stored
        )

    async def _note(
        self, request: Action, person: Person, scope: str | None, reason: Reason | None, evidence: str | None
    ) -> None:
        await self._tell(request, person.key, scope, reason, {"evidence": evidence})

    async def _tell(
        self, action: Action, subject: bytes, scope: str | None, reason: Reason | None, said: dict[str, str | None]
    ) -> None:
        """Write a ledger entry."""
        data = {name: text for name, text in said.items() if text}
        proof = Evidence(self._hand.random(SALT_OCTETS), data) if data else None
        actor = self._hand.actor
        entry = Entry(
            self._at, actor.name, actor.source, action,
            subject=subject, scope=scope, reason=reason,
            commitment=proof.commitment() if proof else None, evidence=proof,
        )  # fmt: skip
        await entries.append(self._connection, entry)
