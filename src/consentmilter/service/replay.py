"""The ledger read as a story: what it leads to, entry by entry, as the tables should have it. Does no I/O.

An import has one entry over many rows, so its rows are not in the ledger: they are passed in, from the tables or from
the entries that lifted them, and count from the import's last entry on. Where personal fields were erased, times that
stood among them are unknown: such a row is not `sure`, and is taken to hold for ever.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter

from consentmilter.ledger import Action, Entry
from consentmilter.model import Basis, Consent, ConsentState, Suppression
from consentmilter.policy.consents import Said, changed_by
from consentmilter.service.suppressions import Actor
from consentmilter.store.rows import moment, seconds
from consentmilter.store.suppressions import Key

_STATES = {
    Action.REQUEST: ConsentState.REQUESTED,
    Action.GRANT: ConsentState.GRANTED,
    Action.WITHDRAW: ConsentState.WITHDRAWN,
}
_NO_PROOF = {"at", "basis", "confirmed", "address"}
"""What the evidence of a consent holds besides what proves it."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A row that an import made, and the place in the ledger, and the time, at which the import had made all of its."""

    row: Suppression
    id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A suppression that the ledger leads to; the last entry that made or repeated it is of `at`."""

    row: Suppression
    at: datetime
    sure: bool


@dataclass(slots=True)
class Replay:
    """What holds after the entries that were read."""

    suppressions: dict[Key, Told] = field(default_factory=dict)
    consents: dict[tuple[bytes, str], Consent] = field(default_factory=dict)
    unsure: set[bytes] = field(default_factory=set)
    """Subjects of whose consents only the state is sure."""

    def take(self, entry: Entry) -> None:
        """Go on by an entry about one person; any other leaves things as they are."""
        if entry.subject is None or entry.scope is None:
            return
        if (state := _STATES.get(entry.action)) is not None:
            self._say(entry, entry.subject, entry.scope, state)
        elif entry.reason is not None:
            key = Key(entry.subject, entry.scope, entry.reason)
            match entry.action:
                case Action.ADD | Action.REPEAT:
                    self._assert(key, entry)
                case Action.LIFT:
                    self.suppressions.pop(key, None)

    def take_import(self, imported: Imported) -> None:
        """Go on by a row of an import."""
        row = imported.row
        self.suppressions.setdefault(Key(row.subject, row.scope, row.reason), Told(row, imported.at, sure=True))

    def _assert(self, key: Key, entry: Entry) -> None:
        row = asserted(key, entry)
        if (held := self.suppressions.get(key)) is None:
            self.suppressions[key] = Told(row, entry.at, sure=not erased(entry))
            return
        longer = replace(
            held.row,
            asserted_again=True,
            expires=_later(held.row.expires, row.expires),
            repeated=max(held.row.repeated or row.created, row.created),
        )
        self.suppressions[key] = Told(longer, entry.at, held.sure and not erased(entry))

    def _say(self, entry: Entry, subject: bytes, stream: str, state: ConsentState) -> None:
        told = _fields(entry)
        said = Consent(
            subject=subject,
            stream=stream,
            state=state,
            basis=Basis(told.get("basis", Basis.CONSENT)),
            at=_time(told, "at") or entry.at,
            confirmed=state is ConsentState.GRANTED and "confirmed" in told,
            origin=Actor(entry.actor, entry.source).origin,
            batch=entry.batch,
        )
        theirs = [each for (whose, _), each in self.consents.items() if whose == subject]
        # Of a grant whose evidence was erased it is known that there was some.
        for new in changed_by(Said(said, erased(entry) or bool(told.keys() - _NO_PROOF)), theirs):
            self.consents[subject, new.stream] = new
        if not told:
            self.unsure.add(subject)


def replayed(entries: Iterable[Entry], imports: Iterable[Imported], until: datetime | None = None) -> Replay:
    """What these entries about people, the oldest first, and these rows of imports lead to, at a time or now."""
    replay = Replay()
    events: list[Entry | Imported] = [*entries, *imports]
    events.sort(key=lambda event: event.id or 0)
    for event in events:
        if until is not None and event.at > until:
            continue
        match event:
            case Imported():
                replay.take_import(event)
            case Entry():
                replay.take(event)
    return replay


def asserted(key: Key, entry: Entry) -> Suppression:
    """The suppression that an entry tells of, as it was when it was made."""
    told = _fields(entry)
    return Suppression(
        key.subject, key.scope, key.reason, Actor(entry.actor, entry.source).origin,
        _time(told, "created") or entry.at, _time(told, "expires"), entry.batch,
    )  # fmt: skip


def imported_rows(rows: Iterable[Suppression], entries: Iterable[Entry], chunks: Iterable[Entry]) -> list[Imported]:
    """What imports made of the rows that stand, and of those that entries lifted; `chunks` are the imports' entries.

    A row of an import of which the ledger knows nothing is left out.
    """
    ends = {each.batch: each for each in sorted(chunks, key=attrgetter("at", "id")) if each.action is Action.IMPORT}
    lifted = (
        replace(asserted(Key(each.subject, each.scope, each.reason), each), origin="import")
        for each in entries
        if each.action is Action.LIFT and each.batch and each.subject and each.scope and each.reason
    )
    return [
        Imported(row, end.id or 0, end.at)
        for row in (*rows, *lifted)
        if row.batch is not None and (end := ends.get(row.batch)) is not None
    ]


def _fields(entry: Entry) -> Mapping[str, str]:
    return entry.evidence.data if entry.evidence else {}


def erased(entry: Entry) -> bool:
    """Whether an entry had personal fields that were erased since."""
    return entry.commitment is not None and not _fields(entry)


def _time(told: Mapping[str, str], name: str) -> datetime | None:
    """A time among the personal fields, in whole seconds, as the tables have it."""
    text = told.get(name)
    return None if text is None else moment(seconds(datetime.fromisoformat(text)))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)
