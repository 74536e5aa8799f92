"""Import a file of consents as a batch: read it row by row, record each opt-in with its evidence.

Good rows go in, bad ones are reported with their line; the same file again changes nothing; a file whose import was
interrupted goes on to the same result. Raises `UsageError` for a file that cannot be understood, and the store's
errors.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from consentmilter.addresses import Foldings
from consentmilter.errors import AddressError
from consentmilter.importers import BadRow, Plan
from consentmilter.importers.opt_ins import OptInRow, read_opt_ins, recognise_opt_ins
from consentmilter.importers.rows import clipped
from consentmilter.keys import KeyRing
from consentmilter.model import ALL, Basis, Reason
from consentmilter.policy.site import Site
from consentmilter.service.consents import OptIn, Proof, grant_many, preview_many
from consentmilter.service.importing import Progress, Report, Watch
from consentmilter.service.suppressions import Actor, begin_batch, find_batch, finish_batch, utc_now
from consentmilter.service.unpacking import Examined, examine, text_of
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named

CHUNK_ROWS = 1000
"""As many go in under one hold of the lock; each has a ledger entry, so they are fewer than of an opt-out list."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How the rows of a file become opt-ins.

    `stream` and `basis` are those of rows that name none. More bad rows than `max_errors` end an import.
    """

    site: Site
    ring: KeyRing
    store_addresses: bool
    stream: str | None = None
    basis: Basis = Basis.CONSENT
    columns: Mapping[str, str] = field(default_factory=dict)
    max_errors: int | None = None

    @property
    def foldings(self) -> Foldings:
        return self.site.foldings


async def import_consents(
    store: Store, file: BinaryIO, name: str, *, terms: Terms, actor: Actor, watch: Watch
) -> Report:
    """Import a seekable file, of which `name` is what the records shall say."""
    run = _Run(file, name, terms, watch)
    await run.note_earlier(store)
    batch = await begin_batch(store, name, run.digest, actor, run.scope, Reason.IMPORTED)
    report = run.report
    report.batch = batch.id
    if report.finished is not None:
        return report
    for opt_ins in run.chunks():
        await grant_many(store, batch, opt_ins, actor)
    if not report.stopped:
        done = await finish_batch(store, batch, rows=report.rows, bad=report.bad)
        # Counted at the end, so that an import that went on after an interruption counts what it did before, too.
        report.new, report.known = done.new, done.known
    return report


async def preview_consents(
    store: Store, file: BinaryIO, name: str, *, terms: Terms, actor: Actor, watch: Watch
) -> Report:
    """Say what importing the file would do, and change nothing."""
    run = _Run(file, name, terms, watch)
    await run.note_earlier(store)
    report = run.report
    if report.finished is not None:
        return report
    batch = Batch("", name, run.digest, actor.name, run.scope, Reason.IMPORTED, utc_now())
    for opt_ins in run.chunks():
        report.new += await preview_many(store, batch, opt_ins, actor)
    report.known = report.rows - report.bad - report.new
    return report


class _Run:
    """One file on its way in."""

    def __init__(self, file: BinaryIO, name: str, terms: Terms, watch: Watch) -> None:
        self._file, self._terms, self._watch = file, terms, watch
        self._examined = examine(file)
        self._plan = recognise_opt_ins(self._examined.sample, terms.columns)
        watch.recognised(self._plan, self._examined)
        self.report = Report(name, self._plan.shape)
        self.digest = _digest(self._examined, self._plan, terms)
        self._now = utc_now()

    @property
    def scope(self) -> str:
        """What the batch says that it is of."""
        return self._terms.stream or ALL

    async def note_earlier(self, store: Store) -> None:
        """Note in the report what is known of an earlier import of the same file."""
        batch = await find_batch(store, self.digest, self.scope, Reason.IMPORTED)
        if batch is not None:
            report = self.report
            report.batch, report.finished, report.resumed = batch.id, batch.finished, batch.finished is None

    def chunks(self) -> Iterator[list[OptIn]]:
        """What the file says, some rows at a time; its bad rows are told of."""
        report = self.report
        with text_of(self._file, self._examined.packing, self._examined.encoding) as text:
            rows = read_opt_ins(text.read, self._plan)
            while some := list(islice(rows, CHUNK_ROWS)):
                good = []
                for row in map(self._meant, some):
                    report.rows += 1
                    if isinstance(row, OptIn):
                        good.append(row)
                    elif self._is_too_much(row):
                        return
                yield good
                self._watch.progress(Progress(self._file.tell(), report.rows))

    def _is_too_much(self, row: BadRow) -> bool:
        """Tell of a bad row; whether it is one too many."""
        report, most = self.report, self._terms.max_errors
        report.bad += 1
        self._watch.bad_row(row)
        report.stopped = most is not None and report.bad > most
        return report.stopped

    def _meant(self, row: OptInRow | BadRow) -> OptIn | BadRow:
        """What a row says, or why it cannot be used."""
        if isinstance(row, BadRow):
            return row
        if cause := self._fault(row):
            return BadRow(row.line, *cause, row.cells)
        try:
            who = subject_named(row.address, self._terms.ring, self._terms.foldings)
        except AddressError as error:
            return BadRow(row.line, "email", clipped(str(error)), row.cells)
        stream = row.stream or self._terms.stream
        assert stream is not None
        return OptIn(
            who.key, stream, Proof(**row.proof), who.text if self._terms.store_addresses else None,
            row.basis or self._terms.basis, row.at, row.confirmed,
        )  # fmt: skip

    def _fault(self, row: OptInRow) -> tuple[str, str] | None:
        """The column that says what cannot be, and why."""
        stream = row.stream or self._terms.stream
        if "@" not in row.address:
            return "email", clipped(f"{row.address!r} is no address: only a person can consent")
        if stream is None:
            return "stream", "no stream (add a column stream, or --stream)"
        if stream not in self._terms.site.streams:
            return "stream", clipped(f"unknown stream {stream!r}")
        if row.at is not None and row.at > self._now:
            return "at", f"{row.at:%Y-%m-%d %H:%M} UTC is still to come"
        if row.confirmed and not Proof(**row.proof):
            return "confirmed", "confirmed, but without evidence of the confirmation"
        return None


def _digest(examined: Examined, plan: Plan, terms: Terms) -> bytes:
    """What makes two imports the same: the octets, once unpacked, and how they are read."""
    read_as = ("consents", plan.shape, terms.basis.value, sorted(terms.columns.items()))
    return hashlib.blake2b(examined.digest + repr(read_as).encode(), digest_size=32).digest()
