"""The list as the ledger leads to it, person by person, and how it differs from the one in the tables.

Of what people, commands and pages said, the ledger tells everything. Of an import it has the digest of the rows: these
are taken as they stand, and compared with the digest where nothing else touched them
(`consentmilter.service.import_digests`). Addresses are not compared: the milter fills them in, and erasure takes them
out. Reads page by page, beside whatever is being written. Raises StoreError and its kinds.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.hashes import LIST_ORIGIN
from consentmilter.ledger import Action, Entry
from consentmilter.model import Consent, ConsentState, Suppression
from consentmilter.service.replay import Replay, Told, imported_rows, replayed
from consentmilter.store import consents, entries, people, suppressions
from consentmilter.store.suppressions import Key
from consentmilter.store.writer import Job, Store

PEOPLE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that ledger and tables tell differently of a subject; `where` is a scope and a reason, or a stream."""

    subject: bytes
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Some people in the order of their keys: what the ledger leads to, and what differs in the tables."""

    last: bytes
    suppressions: list[Suppression]
    consents: list[Consent]
    differences: list[Difference]


@dataclass(frozen=True, slots=True)
class _Bounds:
    """What bears on everybody: when something was imported last, and until when what had ended was removed."""

    imported: datetime | None
    pruned: datetime | None


async def rebuild(store: Store, progress: Callable[[float], None] = lambda _part: None) -> AsyncIterator[Rebuilt]:
    """Everybody whom the ledger or the tables know; `progress` is told which part of them is done."""
    after, bounds = b"", await store.read(_bounds)
    while (found := await store.read(_some(after, bounds))) is not None:
        if found.differences:  # or was anything imported or removed meanwhile?
            bounds = await store.read(_bounds)
            found = await store.read(_some(after, bounds)) or found
        yield found
        after = found.last
        # Keys are spread evenly: they come out of a digest.
        progress(int.from_bytes(after[:4]) / 2**32)


async def _bounds(connection: AsyncConnection) -> _Bounds:
    imported = await entries.last_of(connection, Action.IMPORT)
    return _Bounds(imported, pruned=await entries.last_of(connection, Action.PRUNE))


def _some(after: bytes, bounds: _Bounds) -> Job[Rebuilt | None]:
    """A job that tells of the next people, by ledger and tables on one state of the database."""

    async def job(connection: AsyncConnection) -> Rebuilt | None:
        subjects = await people.subjects(connection, after, PEOPLE_AT_ONCE)
        if not subjects:
            return None
        said = await entries.of_subjects(connection, subjects)
        rows = [
            row
            for row in await suppressions.of_subjects(connection, subjects)
            if not row.origin.startswith(LIST_ORIGIN)
        ]
        batches = {row.batch for row in rows if row.batch} | {entry.batch for entry in said if entry.batch}
        replay = _replayed(said, rows, await entries.of_batches(connection, sorted(batches)))
        agreed = await consents.of_subjects(connection, subjects)
        differences = [*_of_suppressions(replay, rows, bounds), *_of_consents(replay, agreed, bounds)]
        stands = [told.row for told in replay.suppressions.values() if not _ended(told.row.expires, bounds)]
        return Rebuilt(subjects[-1], stands, list(replay.consents.values()), differences)

    return job


def _replayed(said: Sequence[Entry], rows: Sequence[Suppression], chunks: Sequence[Entry]) -> Replay:
    """All of them in one replay, each person's for themselves: what is agreed to depends on nobody else."""
    of_person: defaultdict[bytes | None, list[Entry]] = defaultdict(list)
    for entry in said:
        of_person[entry.subject].append(entry)
    imports = imported_rows(rows, said, chunks)
    imported = defaultdict(list)
    for each in imports:
        imported[each.row.subject].append(each)
    whole = Replay()
    for subject in dict.fromkeys([*of_person, *imported]):
        one = replayed(of_person[subject], imported[subject or b""])
        whole.suppressions |= one.suppressions
        whole.consents |= one.consents
        whole.unsure |= one.unsure
    return whole


def _of_suppressions(replay: Replay, rows: Iterable[Suppression], bounds: _Bounds) -> Iterator[Difference]:
    standing = {Key(row.subject, row.scope, row.reason): row for row in rows}
    for key in sorted({*standing, *replay.suppressions}):
        told, row = replay.suppressions.get(key), standing.get(key)
        if told is None:
            text = "stands, and the ledger does not say why"
        elif row is None:
            text = "" if _may_be_gone(told, bounds) else "does not stand, and the ledger does not say why"
        else:
            text = ", ".join(_unlike(told, row, bounds))
        if text:
            yield Difference(key.subject, f"{key.reason} in {key.scope}", text)


def _unlike(told: Told, row: Suppression, bounds: _Bounds) -> Iterator[str]:
    """In what a suppression is not as the ledger tells.

    An import that came later may have repeated it: then it may hold longer.
    """
    later = bounds.imported is not None and bounds.imported >= told.at
    wanted = told.row
    if (row.origin, row.batch) != (wanted.origin, wanted.batch):
        yield f"is of {row.batch or row.origin}, by the ledger of {wanted.batch or wanted.origin}"
    if not told.sure:
        return
    if row.created != wanted.created:
        yield f"is of {row.created:%Y-%m-%d %H:%M:%S}, by the ledger of {wanted.created:%Y-%m-%d %H:%M:%S}"
    if row.expires != wanted.expires and not (later and _longer(row.expires, wanted.expires)):
        yield f"holds {_until(row.expires)}, by the ledger {_until(wanted.expires)}"
    repeated = (row.asserted_again, row.repeated)
    if repeated != (wanted.asserted_again, wanted.repeated) and not (later and row.asserted_again):
        yield "was asserted again at another time, or not at all"


def _of_consents(replay: Replay, held: Iterable[Consent], bounds: _Bounds) -> Iterator[Difference]:
    standing = {(each.subject, each.stream): each for each in held}
    for key in sorted({*standing, *replay.consents}):
        told, row = replay.consents.get(key), standing.get(key)
        if told is None:
            text = "stands, and the ledger does not say why"
        elif row is None:
            pruned = told.state is ConsentState.REQUESTED and bounds.pruned is not None
            text = "" if pruned else "does not stand, and the ledger does not say why"
        elif _shown(row, sure=key[0] not in replay.unsure) != _shown(told, sure=key[0] not in replay.unsure):
            text = f"is {row.state} since {row.at:%Y-%m-%d %H:%M:%S}, by the ledger {told.state}, or otherwise then"
        else:
            text = ""
        if text:
            yield Difference(key[0], f"consent to {key[1]}", text)


def _shown(row: Consent, *, sure: bool) -> tuple[object, ...]:
    """What of a consent has to agree."""
    return (row.state, row.basis, row.at, row.confirmed, row.origin, row.batch) if sure else (row.state,)


def _may_be_gone(told: Told, bounds: _Bounds) -> bool:
    """Whether it may have been removed since it had ended, which of an erased one nobody knows."""
    return _ended(told.row.expires, bounds) if told.sure else bounds.pruned is not None


def _ended(expires: datetime | None, bounds: _Bounds) -> bool:
    """Whether it may have been removed since it had ended."""
    return expires is not None and bounds.pruned is not None and expires < bounds.pruned


def _longer(one: datetime | None, other: datetime | None) -> bool:
    return one is None or (other is not None and one > other)


def _until(expires: datetime | None) -> str:
    return "for ever" if expires is None else f"until {expires:%Y-%m-%d %H:%M:%S}"
