"""From a file to what it says: subjects, digests, and the rows that say nothing, in chunks. No store; see `importing`.

What a chunk holds is rows as the store has them: of millions, each step between would cost. Raises `UsageError`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import islice, repeat
from typing import BinaryIO, cast

from consentmilter.addresses import Foldings, all_plain, plain
from consentmilter.errors import AddressError
from consentmilter.importers import BadRow, Entry, Hashed, Keyed, Plan, Row, Skipped, Table, read_parts
from consentmilter.importers.rows import clipped
from consentmilter.keys import KeyRing, subject_maker, subjects_maker
from consentmilter.model import Reason
from consentmilter.service.unpacking import text_of
from consentmilter.store.rows import seconds
from consentmilter.store.said import Said
from consentmilter.store.text import printable
from consentmilter.subjects import subject_named

_AT_ONCE = 100
"""Parts of a file, of which one may be a table, between two looks at whether there is enough."""

_MOST_SAID = 10_000
_MOST_BAD = 200
_MOST_SKIPPED = 100_000
_EXPIRED = "expired"
_TEXTS = {reason: reason.value for reason in Reason}


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of some rows: how many they are, which are bad, and as what how many were skipped.

    `octets` says how far the file is read, packed as it is.
    """

    rows: int
    bad: list[BadRow]
    skipped: Counter[str]
    octets: int


@dataclass(slots=True)
class Chunk:
    """Some rows of a file, those of digests by their list.

    `octets` says how far the file is read, packed as it is; `skipped` counts by kind.
    """

    said: list[Said] = field(default_factory=list)
    digests: dict[str, list[Said]] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    octets: int = 0

    @property
    def rows(self) -> int:
        return len(self.said) + self._digests + len(self.bad) + self.skipped.total()

    @property
    def _digests(self) -> int:
        return sum(map(len, self.digests.values()))

    @property
    def told(self) -> Told:
        return Told(self.rows, self.bad, self.skipped, self.octets)

    def is_full(self) -> bool:
        """Whether it is as much as goes in at once, or should be told of."""
        return (
            len(self.said) >= _MOST_SAID
            or self._digests >= _MOST_SAID
            or len(self.bad) >= _MOST_BAD
            or self.skipped.total() >= _MOST_SKIPPED
        )


@dataclass(frozen=True, slots=True)
class Job:
    """How a file is to be read, and how its rows become statements."""

    plan: Plan
    packing: str | None
    encoding: str
    scope: str
    reason: Reason
    ring: KeyRing
    foldings: Foldings
    store_addresses: bool
    list_name: str
    now: datetime


def chunks(file: BinaryIO, job: Job) -> Iterator[Chunk]:
    """Everything that the file says."""
    speaker, chunk = _Speaker(job), Chunk()
    with text_of(file, job.packing, job.encoding) as text:
        parts = read_parts(text.read, job.plan)
        while some := list(islice(parts, _AT_ONCE)):
            speaker.put(some, chunk)
            if chunk.is_full():
                chunk.octets = file.tell()
                yield chunk
                chunk = Chunk()
    chunk.octets = file.tell()
    yield chunk


class _Speaker:
    """Makes statements of rows."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._subject_of = subject_maker(job.ring)
        self._subjects_of = subjects_maker(job.ring)
        self._key = key_name(job.ring)
        self._keep = job.store_addresses
        self._now = seconds(job.now)
        self._scope = printable(job.scope)
        self._reason = job.reason
        if job.reason is Reason.IMPORTED:  # another one was chosen by the user, who knows better than the table
            self._reason = job.plan.dialect.reason or job.reason

    def put(self, parts: Sequence[Row | Table], chunk: Chunk) -> None:
        """Put what the parts of a file say into the chunk."""
        subject_of, scope, reason, keep = self._subject_of, self._scope, self._reason, self._keep
        say = chunk.said.append
        for part in parts:
            # Nearly all rows are plain addresses that hold for ever, and of millions of them each step counts.
            if part.__class__ is Entry and part.expires is None and part.scope is None and not self._job.foldings:
                address = plain(part.address)
                if address is not None:
                    since = _seconds(part.at)
                    text = _TEXTS[part.reason or reason]
                    say((subject_of(address), scope, text, since, None, address if keep else None))
                    continue
            if isinstance(part, Table):
                self._put_table(part, chunk)
            else:
                self._put(part, chunk)

    def _put_table(self, table: Table, chunk: Chunk) -> None:
        """Put the plain addresses of a table into the chunk together, and between them what takes a closer look."""
        if not self._job.foldings and (all_of_them := all_plain(table.addresses)) is not None:
            self._say(table, 0, all_of_them, chunk)
            return
        addresses = [None] * len(table.addresses) if self._job.foldings else list(map(plain, table.addresses))
        start = 0
        for odd in [at for at, address in enumerate(addresses) if address is None]:
            self._say(table, start, cast("list[str]", addresses[start:odd]), chunk)
            self._put(table.row(odd), chunk)
            start = odd + 1
        self._say(table, start, cast("list[str]", addresses[start:]), chunk)

    def _say(self, table: Table, start: int, addresses: list[str], chunk: Chunk) -> None:
        """Put so many rows of the table, from one on, into the chunk, by their addresses' canonical form."""
        if not addresses:
            return
        some = slice(start, start + len(addresses))
        chunk.said += zip(
            self._subjects_of(addresses),
            repeat(self._scope),
            self._texts(table.reasons[some]),
            map(_seconds, table.times[some]),
            repeat(None),
            addresses if self._keep else repeat(None),
            strict=False,  # what is the same for all has no end
        )

    def _texts(self, reasons: list[Reason | None]) -> Iterable[str]:
        """The reasons as the store has them."""
        if reasons.count(reasons[0]) == len(reasons):
            return repeat(_TEXTS[reasons[0] or self._reason])
        return [_TEXTS[reason or self._reason] for reason in reasons]

    def _put(self, row: Row, chunk: Chunk) -> None:
        match row:
            case Entry():
                self._put_entry(row, chunk)
            case BadRow():
                chunk.bad.append(row)
            case Skipped():
                chunk.skipped[row.kind] += 1
            case Hashed() if said := self._said(row.digest, row, None, chunk):
                chunk.digests.setdefault(row.list or self._job.list_name, []).append(said)
            case Keyed() if row.key != self._key:
                cause = "the subject key was made with another key than this site has"
                chunk.bad.append(BadRow(row.line, "subject", cause, row.cells))
            case Keyed() if said := self._said(row.subject, row, None, chunk):
                chunk.said.append(said)

    def _put_entry(self, row: Entry, chunk: Chunk) -> None:
        try:
            named = subject_named(row.address, self._job.ring, self._job.foldings)
        except AddressError as error:
            chunk.bad.append(BadRow(row.line, "email", clipped(str(error)), row.cells or (row.address,)))
            return
        address = printable(named.text) if self._keep else None
        if said := self._said(named.key, row, address, chunk):
            chunk.said.append(said)

    def _said(self, key: bytes, row: Entry | Hashed | Keyed, address: str | None, chunk: Chunk) -> Said | None:
        """What the row says, as the store has it; nothing if it holds no more."""
        expires = _seconds(row.expires)
        if expires is not None and expires <= self._now:
            chunk.skipped[_EXPIRED] += 1
            return None
        scope = self._scope if row.scope is None else printable(row.scope)
        since = _seconds(row.at)
        return key, scope, _TEXTS[row.reason or self._reason], since, expires, address


@lru_cache(maxsize=4096)
def _seconds(at: datetime | None) -> int | None:
    return None if at is None else seconds(at)


def key_name(ring: KeyRing) -> str:
    """How an export says with which subject key an entry was made."""
    name = f"subject-{ring.subject_id}"
    return f"{name}:{ring.checks()[name].hex()}"
