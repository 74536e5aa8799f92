"""The one way to record consents, and to read what holds: granted, withdrawn, asked for, confirmed.

Each statement goes in with its ledger entry and its evidence in one transaction; functions return after commit. What a
statement changes, `policy.consents` says: a grant never weakens more than it may, whichever way it came in. Clock and
randomness are passed in. Raises UsageError for what makes no sense, and StoreError and its kinds from the store: then
nothing has happened.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import UsageError
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import Basis, Consent, ConsentState
from consentmilter.policy.consents import Said, changed_by, standing
from consentmilter.policy.facts import Facts
from consentmilter.service.suppressions import Actor, Clock, Random, utc_now
from consentmilter.store import consents, entries
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store

_ACTIONS = {
    ConsentState.REQUESTED: Action.REQUEST,
    ConsentState.GRANTED: Action.GRANT,
    ConsentState.WITHDRAWN: Action.WITHDRAW,
}


@dataclass(frozen=True, slots=True)
class Proof:
    """What shows that the person said so; kept in the ledger, where it can be blanked.

    `evidence` is free text, `form` where they said it, `ip` from where, `message_id` the mail that asked or answered,
    `text_version` what they read.
    """

    evidence: str | None = None
    form: str | None = None
    ip: str | None = None
    message_id: str | None = None
    text_version: str | None = None

    def __bool__(self) -> bool:
        return bool(self.told())

    def told(self) -> dict[str, str]:
        """The fields that say something."""
        return {name: text for name, text in asdict(self).items() if text and text.strip()}


@dataclass(frozen=True, slots=True)
class OptIn:
    """One grant; `at` is when the person said so, None for now. `confirmed` is as in a `Consent`."""

    subject: bytes
    stream: str
    proof: Proof = Proof()
    address: str | None = None
    basis: Basis = Basis.CONSENT
    at: datetime | None = None
    confirmed: bool = False


async def grant(
    store: Store, opt_in: OptIn, actor: Actor, *, now: Clock = utc_now, random: Random = secrets.token_bytes
) -> Consent | None:
    """Record that somebody consented, and return what stands for the person and the stream then.

    That is a withdrawal where one stands that is not older than the grant.
    """
    if not opt_in.proof:
        raise UsageError("a consent needs evidence: say where the person gave it, and how")
    at = now()
    said = _granted(opt_in, actor, opt_in.at or at, at)
    return await _say(store, said, opt_in.proof, actor, at, random)


async def confirm(
    store: Store,
    subject: bytes,
    stream: str,
    proof: Proof,
    actor: Actor,
    *,
    basis: Basis = Basis.CONSENT,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Consent | None:
    """Record that a person who was asked said yes (double opt-in): a grant as of now, and confirmed."""
    opt_in = OptIn(subject, stream, proof, basis=basis, confirmed=True)
    return await grant(store, opt_in, actor, now=now, random=random)


async def request(
    store: Store,
    subject: bytes,
    stream: str,
    proof: Proof,
    actor: Actor,
    *,
    address: str | None = None,
    basis: Basis = Basis.CONSENT,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Consent | None:
    """Record that a person was asked for their consent, and return what stands: what they said before does."""
    at = now()
    said = Consent(subject, stream, ConsentState.REQUESTED, basis, _whole(at), False, actor.origin, address=address)
    return await _say(store, said, proof, actor, at, random)


async def withdraw(
    store: Store,
    subject: bytes,
    stream: str,
    proof: Proof,
    actor: Actor,
    *,
    address: str | None = None,
    basis: Basis = Basis.CONSENT,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Consent | None:
    """Record that a person takes their consent back, to a stream and all below it, from now on.

    It needs no evidence and no consent before. `stream` may be an organisation, or everything.
    """
    at = now()
    said = Consent(subject, stream, ConsentState.WITHDRAWN, basis, _whole(at), False, actor.origin, address=address)
    return await _say(store, said, proof, actor, at, random)


async def grant_many(
    store: Store,
    batch: Batch,
    opt_ins: Sequence[OptIn],
    actor: Actor,
    *,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> int:
    """Record grants of an import, all of them or nothing, and return how many changed something.

    One without evidence counts as long as the person never withdrew, one without a time is of the import's beginning.
    What changes nothing has no ledger entry either, so that the same rows again leave the same.
    """
    at = now()
    said = _all_granted(opt_ins, batch, actor, at)

    async def job(connection: AsyncConnection) -> int:
        known = await consents.of_subjects(connection, (each.consent.subject for each, _ in said))
        new = list(_changes(said, known))
        last = {(each.subject, each.stream): each for changed, _, _ in new for each in changed}
        await consents.put(connection, list(last.values()))
        told = [_entry(each, proof, actor, at, random) for _, each, proof in new]
        await entries.append_all(connection, told)
        return len(new)

    return await store.write(job)


async def preview_many(
    store: Store, batch: Batch, opt_ins: Sequence[OptIn], actor: Actor, *, now: Clock = utc_now
) -> int:
    """Say how many of the grants would change something, and change nothing."""
    said = _all_granted(opt_ins, batch, actor, now())
    return len(list(_changes(said, await held(store, [each.subject for each in opt_ins]))))


async def held(store: Store, subjects: Sequence[bytes]) -> list[Consent]:
    """Everything that is held of these people's consents."""
    return await store.read(lambda connection: consents.of_subjects(connection, subjects))


async def facts_about(store: Store, keys: Sequence[bytes]) -> Facts:
    """Everything that the store says of one person, whose keys and digests these are: of one moment."""
    return await store.read(lambda connection: consents.facts(connection, keys))


async def _say(  # noqa: PLR0917 - what a statement is
    store: Store, said: Consent, proof: Proof, actor: Actor, at: datetime, random: Random
) -> Consent | None:
    """Record a statement, and return what stands for the person and the stream then."""

    async def job(connection: AsyncConnection) -> Consent | None:
        known = await consents.of_subjects(connection, [said.subject])
        changed = changed_by(Said(said, bool(proof)), known)
        if changed:
            await consents.put(connection, changed)
            streams = {each.stream for each in changed}
            known = [each for each in known if each.stream not in streams] + changed
        await entries.append(connection, _entry(said, proof, actor, at, random))
        return standing(known, said.stream)

    return await store.write(job)


def _granted(opt_in: OptIn, actor: Actor, at: datetime, now: datetime, batch: str | None = None) -> Consent:
    """The statement of an opt-in, if it makes sense."""
    if at > now:
        raise UsageError(f"the consent is of {at:%Y-%m-%d %H:%M} UTC, which is still to come")
    if opt_in.confirmed and not opt_in.proof:
        raise UsageError("a confirmed consent needs the evidence of its confirmation")
    return Consent(
        opt_in.subject, opt_in.stream, ConsentState.GRANTED, opt_in.basis, _whole(at), opt_in.confirmed,
        actor.origin, batch, opt_in.address,
    )  # fmt: skip


def _all_granted(opt_ins: Iterable[OptIn], batch: Batch, actor: Actor, now: datetime) -> list[tuple[Said, Proof]]:
    made = [(_granted(each, actor, each.at or batch.started, now, batch.id), each.proof) for each in opt_ins]
    return [(Said(consent, bool(proof)), proof) for consent, proof in made]


def _whole(at: datetime) -> datetime:
    """The time as the store has it: what was said within one second of a withdrawal is not later."""
    return at.replace(microsecond=0)


def _changes(
    said: Iterable[tuple[Said, Proof]], held: Iterable[Consent]
) -> Iterator[tuple[list[Consent], Consent, Proof]]:
    """What each statement that changes something leads to, in their order; the statement; and its evidence."""
    known: dict[bytes, dict[str, Consent]] = defaultdict(dict)
    for row in held:
        known[row.subject][row.stream] = row
    for each, proof in said:
        of_person = known[each.consent.subject]
        changed = changed_by(each, list(of_person.values()))
        of_person |= {new.stream: new for new in changed}
        if changed:
            yield changed, each.consent, proof


def _entry(said: Consent, proof: Proof, actor: Actor, at: datetime, random: Random) -> Entry:
    """The ledger entry of a statement, with all that is needed to tell what it changed."""
    told = proof.told() | {"at": said.at.isoformat(), "basis": str(said.basis)}
    if said.confirmed:
        told["confirmed"] = "yes"
    if said.address is not None:
        told["address"] = said.address
    evidence = Evidence(random(SALT_OCTETS), told)
    return Entry(
        at, actor.name, actor.source, _ACTIONS[said.state],
        batch=said.batch, subject=said.subject, scope=said.stream,
        commitment=evidence.commitment(), evidence=evidence,
    )  # fmt: skip
