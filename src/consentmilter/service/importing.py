"""Import one suppression file as a batch: hash it, read it row by row, assert it in chunks.

Good rows go in, bad ones are reported; the same file again changes nothing; a file whose import was interrupted goes
on to the same result. Raises `UsageError` for a file that cannot be understood, and the store's errors.
"""

import asyncio
import gc
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Literal

from consentmilter.addresses import Foldings
from consentmilter.errors import UsageError
from consentmilter.importers import BadRow, Plan, recognise
from consentmilter.keys import KeyRing
from consentmilter.model import Reason
from consentmilter.service.bulk import Gathered, import_staged, preview_staged
from consentmilter.service.gathering import Gathering, gathering
from consentmilter.service.parsing import Job
from consentmilter.service.suppressions import (
    Actor,
    begin_batch,
    find_batch,
    finish_batch,
    utc_now,
)
from consentmilter.service.unpacking import Examined, examine
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store

HashedFrom = Literal["lower", "as-is"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How the rows of a file become assertions.

    `file_format` is one of the importers' formats, or None to recognise it. `list_name` is what a hash list is known
    by, the file's name if there is none. More bad rows than `max_errors` end an import.
    """

    scope: str
    reason: Reason
    ring: KeyRing
    foldings: Foldings
    store_addresses: bool
    file_format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    list_name: str | None = None
    hashed_from: HashedFrom = "lower"
    max_errors: int | None = None


@dataclass(slots=True)
class Report:
    """What an import did, or with a dry run would do.

    `finished` is set if the file was imported before, `resumed` if an import of it was interrupted before, `stopped` if
    there were too many bad rows. `skipped` counts rows that are no opt-outs, by what they are.
    """

    file: str
    file_format: str
    batch: str | None = None
    finished: datetime | None = None
    resumed: bool = False
    stopped: bool = False
    rows: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0
    skipped: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: octets of the file, rows read, and of these the ones that are stored."""

    octets: int
    rows: int
    stored: int = 0
    to_store: int | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told while an import runs: how the file is read, of each bad row, and of the progress."""

    recognised: Callable[[Plan, Examined], None]
    bad_row: Callable[[BadRow], None]
    progress: Callable[[Progress], None]


async def import_file(store: Store, file: BinaryIO, name: str, *, terms: Terms, actor: Actor, watch: Watch) -> Report:
    """Import a seekable file, of which `name` is what the records shall say."""
    with gathering(store, file) as gathered, _rows_only():
        run = _Run(file, name, terms, watch)
        await run.note_earlier(store)
        batch = await begin_batch(store, name, run.digest, actor, terms.scope, terms.reason)
        run.report.batch = batch.id
        if run.report.finished is not None:
            return run.report
        await run.read(gathered)
        by_list = gathered.by_list()
        for list_name, rows in by_list.items():
            progress = run.progress(by_list, list_name)
            await import_staged(store, batch, rows, actor, list_name=list_name, progress=progress)
    if not run.report.stopped:
        await _finish(store, batch, run)
    return run.report


async def preview_file(store: Store, file: BinaryIO, name: str, *, terms: Terms, watch: Watch) -> Report:
    """Say what importing the file would do, and change nothing."""
    with gathering(store, file) as gathered, _rows_only():
        run = _Run(file, name, terms, watch)
        await run.note_earlier(store)
        report = run.report
        if report.finished is not None:
            return report
        await run.read(gathered)
        by_list = gathered.by_list()
        for list_name, rows in by_list.items():
            report.new += (await preview_staged(store, rows, progress=run.progress(by_list, list_name))).new
    report.known = report.rows - report.bad - report.skipped.total() - report.new
    return report


@contextmanager
def _rows_only() -> Iterator[None]:
    """Keep the garbage collector away: it would look at millions of rows, of which none is part of a cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


async def _finish(store: Store, batch: Batch, run: "_Run") -> None:
    run.refuse_changed()
    report = run.report
    done = await finish_batch(store, batch, rows=report.rows, bad=report.bad, skipped=report.skipped.total())
    # Counted at the end, so that an import that went on after an interruption counts what it did before, too.
    report.new, report.known = done.new, done.known


class _Run:
    """One file on its way in; a file is examined before a row of it is read."""

    def __init__(self, file: BinaryIO, name: str, terms: Terms, watch: Watch) -> None:
        self._file, self._terms, self._watch = file, terms, watch
        self._state = _state(file)
        examined = examine(file)
        plan = recognise(examined.sample, file_name=name, wanted=terms.file_format, columns=terms.columns)
        watch.recognised(plan, examined)
        self.report = Report(name, plan.format)
        self.digest = _digest(examined, plan, terms)
        self._job = Job(
            plan, examined.packing, examined.encoding, terms.scope, terms.reason, terms.ring, terms.foldings,
            terms.store_addresses, _list_name(name, terms), utc_now(),
        )  # fmt: skip
        self._cutting = examined.cutting

    async def note_earlier(self, store: Store) -> None:
        """Note in the report what is known of an earlier import of the same file."""
        batch = await find_batch(store, self.digest, self._terms.scope, self._terms.reason)
        if batch is not None:
            report = self.report
            report.batch, report.finished, report.resumed = batch.id, batch.finished, batch.finished is None

    async def read(self, gathered: Gathering) -> None:
        """Read the file, tell of its bad rows, and gather what the others say."""
        report = self.report
        for told in gathered.read(self._job, self._cutting):
            report.rows += told.rows
            report.skipped += told.skipped
            self._watch.progress(Progress(told.octets, report.rows + gathered.ahead))
            for row in told.bad:
                report.bad += 1
                self._watch.bad_row(row)
                if self._terms.max_errors is not None and report.bad > self._terms.max_errors:
                    report.stopped = True
                    return
            await asyncio.sleep(0)  # Ctrl-C comes in here

    def progress(self, by_list: Mapping[str | None, Gathered], list_name: str | None) -> Callable[[int], None]:
        """Who is told how much of one list is stored."""
        names = list(by_list)
        before = sum(len(by_list[name]) for name in names[: names.index(list_name)])
        size, rows, total = self._state[0], self.report.rows, sum(map(len, by_list.values()))
        return lambda done: self._watch.progress(Progress(size, rows, before + done, total))

    def refuse_changed(self) -> None:
        """Refuse a file that somebody wrote to meanwhile: who knows what of it was read."""
        if _state(self._file) != self._state:
            raise UsageError("the file changed while it was read: import it again")


def _list_name(name: str, terms: Terms) -> str:
    """What a hash list is known by; whose digests were not made of small letters, it says so."""
    bare = terms.list_name or name.rpartition("/")[2]
    return f"{bare} (as-is)" if terms.hashed_from == "as-is" else bare


def _state(file: BinaryIO) -> Sequence[int]:
    """What changes when somebody writes to the file; its size is the first."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _digest(examined: Examined, plan: Plan, terms: Terms) -> bytes:
    """What makes two imports the same: the octets, once unpacked, and how they are read."""
    read_as = (plan.format, plan.shape, sorted(terms.columns.items()))
    of_hashes = (terms.list_name, terms.hashed_from)
    return hashlib.blake2b(examined.digest + repr((read_as, of_hashes)).encode(), digest_size=32).digest()
