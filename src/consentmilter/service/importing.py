"""Import one suppression file as a batch: hash it, read it row by row, assert it in chunks.

Good rows go in, bad ones are reported; the same file again changes nothing; a file whose import was interrupted goes
on to the same result. Raises `UsageError` for a file that cannot be understood, and the store's errors.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from typing import BinaryIO

from consentmilter.addresses import Foldings
from consentmilter.errors import AddressError
from consentmilter.importers import BadRow, Entry, Format, detect, read_rows
from consentmilter.keys import KeyRing
from consentmilter.model import Assertion, Reason
from consentmilter.service.suppressions import (
    CHUNK_ROWS,
    Actor,
    Outcome,
    begin_batch,
    find_batch,
    finish_batch,
    import_chunk,
    preview_chunk,
)
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named

_SAMPLE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Terms:
    """How the rows of a file become assertions."""

    scope: str
    reason: Reason
    ring: KeyRing
    foldings: Foldings
    store_addresses: bool
    file_format: Format | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What an import did, or with a dry run would do. `finished` is set if the file was imported before."""

    file: str
    file_format: Format
    batch: str | None = None
    finished: datetime | None = None
    rows: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told while an import runs: of each bad row, and of the octets read so far."""

    bad_row: Callable[[BadRow], None]
    progress: Callable[[int], None]


async def import_file(
    store: Store, file: BinaryIO, name: str, *, terms: Terms, actor: Actor, watch: Watch, dry_run: bool = False
) -> Report:
    """Import a seekable file, of which `name` is what the records shall say."""
    sample = file.read(_SAMPLE).decode("utf-8", "surrogateescape")
    report = Report(name, terms.file_format or detect(sample))
    digest = _digest(file, report.file_format, terms.columns)
    batch = await find_batch(store, digest, terms.scope, terms.reason)
    if batch is None and not dry_run:
        batch = await begin_batch(store, name, digest, actor, terms.scope, terms.reason)
    if batch is not None:
        report.batch, report.finished = batch.id, batch.finished
    if report.finished is not None:
        return report
    for chunk in _chunks(_assertions(file, report, terms, watch)):
        watch.progress(file.tell())
        outcome = await _take(store, batch, chunk, actor, dry_run=dry_run)
        report.new += outcome.new
        report.known += outcome.known
    if batch is not None and not dry_run:
        done = await finish_batch(store, batch, rows=report.rows, bad=report.bad)
        # An import that went on after an interruption counts what it did before, too.
        report.new, report.known = done.new, done.known
    return report


async def _take(store: Store, batch: Batch | None, chunk: list[Assertion], actor: Actor, *, dry_run: bool) -> Outcome:
    if dry_run or batch is None:
        return await preview_chunk(store, chunk)
    return await import_chunk(store, batch, chunk, actor)


def _assertions(file: BinaryIO, report: Report, terms: Terms, watch: Watch) -> Iterator[Assertion]:
    file.seek(0)
    # newline="" leaves line ends inside quotes to the csv module; odd octets are for the address check to name.
    lines = TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        for row in read_rows(lines, report.file_format, terms.columns):
            report.rows += 1
            found = _assertion(row, terms) if isinstance(row, Entry) else row
            if isinstance(found, BadRow):
                report.bad += 1
                watch.bad_row(found)
            else:
                yield found
    finally:
        lines.detach()  # the file is the caller's to close


def _assertion(row: Entry, terms: Terms) -> Assertion | BadRow:
    try:
        subject = subject_named(row.address, terms.ring, terms.foldings)
    except AddressError as error:
        return BadRow(row.line, "email", str(error))
    return Assertion(
        subject=subject.key,
        address=subject.text if terms.store_addresses else None,
        scope=terms.scope,
        reason=row.reason or terms.reason,
        at=row.at,
        evidence=row.evidence,
    )


def _chunks(assertions: Iterator[Assertion]) -> Iterator[list[Assertion]]:
    chunk: list[Assertion] = []
    for assertion in assertions:
        chunk.append(assertion)
        if len(chunk) == CHUNK_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _digest(file: BinaryIO, file_format: Format, columns: Mapping[str, str]) -> bytes:
    """What makes two imports the same: the octets, and how they are read."""
    file.seek(0)
    digest = hashlib.blake2b(digest_size=32)
    while octets := file.read(_SAMPLE):
        digest.update(octets)
    digest.update(repr((file_format, sorted(columns.items()))).encode())
    return digest.digest()
