"""Import one suppression file as a batch: hash it, read it row by row, assert it in chunks.

Good rows go in, bad ones are reported; the same file again changes nothing; a file whose import was interrupted goes
on to the same result. Raises `UsageError` for a file that cannot be understood, and the store's errors.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from io import TextIOWrapper
from itertools import islice
from typing import BinaryIO

from consentmilter.addresses import Foldings
from consentmilter.errors import AddressError, UsageError
from consentmilter.importers import BadRow, Entry, Format, bounded, detect, read_rows
from consentmilter.importers.rows import clipped
from consentmilter.keys import KeyRing
from consentmilter.model import Assertion, Reason
from consentmilter.service.suppressions import (
    CHUNK_ROWS,
    Actor,
    begin_batch,
    find_batch,
    finish_batch,
    import_chunk,
    preview_chunk,
)
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named

_SAMPLE = 64 * 1024

_NO_TEXT = {
    b"\xff\xfe": "UTF-16 text: save it as UTF-8",
    b"\xfe\xff": "UTF-16 text: save it as UTF-8",
    b"\x1f\x8b": "a gzip file: unpack it (zcat FILE | consentmilter import -)",
    b"PK\x03\x04": "a ZIP archive or a spreadsheet: unpack it, or save it as CSV",
    b"SQLite format 3\0": "a database",
}
"""How files begin that are no suppression list, and what they are."""


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
    """What an import did, or with a dry run would do.

    `finished` is set if the file was imported before, `resumed` if an import of it was interrupted before.
    """

    file: str
    file_format: Format
    batch: str | None = None
    finished: datetime | None = None
    resumed: bool = False
    rows: int = 0
    new: int = 0
    known: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told while an import runs: of each bad row, and of the octets read so far."""

    bad_row: Callable[[BadRow], None]
    progress: Callable[[int], None]


async def import_file(store: Store, file: BinaryIO, name: str, *, terms: Terms, actor: Actor, watch: Watch) -> Report:
    """Import a seekable file, of which `name` is what the records shall say."""
    report, digest = _examine(file, name, terms)
    with _rows(file, report, terms) as rows:
        await _note_earlier(store, report, digest, terms)
        batch = await begin_batch(store, name, digest, actor, terms.scope, terms.reason)
        report.batch = batch.id
        if report.finished is not None:
            return report
        for chunk in _chunks(_assertions(rows, report, terms, watch)):
            watch.progress(file.tell())
            await import_chunk(store, batch, chunk, actor)
    done = await finish_batch(store, batch, rows=report.rows, bad=report.bad)
    # Counted at the end, so that an import that went on after an interruption counts what it did before, too.
    report.new, report.known = done.new, done.known
    return report


async def preview_file(store: Store, file: BinaryIO, name: str, *, terms: Terms, watch: Watch) -> Report:
    """Say what importing the file would do, and change nothing."""
    report, digest = _examine(file, name, terms)
    seen: set[int] = set()
    with _rows(file, report, terms) as rows:
        await _note_earlier(store, report, digest, terms)
        if report.finished is not None:
            return report
        for chunk in _chunks(_assertions(rows, report, terms, watch)):
            watch.progress(file.tell())
            outcome = await preview_chunk(store, [said for said in chunk if _is_first(said, seen)])
            report.new += outcome.new
    report.known = report.rows - report.bad - report.new
    return report


def _examine(file: BinaryIO, name: str, terms: Terms) -> tuple[Report, bytes]:
    """What the file is, before a row of it is read."""
    sample = file.read(_SAMPLE)
    for start, what in _NO_TEXT.items():
        if sample.startswith(start):
            raise UsageError(f"this is {what}")
    file_format = terms.file_format or detect(sample.decode("utf-8", "surrogateescape"), terms.columns)
    return Report(name, file_format), _digest(file, file_format, terms.columns)


async def _note_earlier(store: Store, report: Report, digest: bytes, terms: Terms) -> None:
    """Note in the report what is known of an earlier import of the same file."""
    batch = await find_batch(store, digest, terms.scope, terms.reason)
    if batch is not None:
        report.batch, report.finished, report.resumed = batch.id, batch.finished, batch.finished is None


@contextmanager
def _rows(file: BinaryIO, report: Report, terms: Terms) -> Iterator[Iterator[Entry | BadRow]]:
    file.seek(0)
    # newline="" leaves line ends inside quotes to the csv module; odd octets are for the address check to name.
    text = TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        yield read_rows(bounded(text.readline), report.file_format, terms.columns)
    finally:
        text.detach()  # the file is the caller's to close


def _assertions(rows: Iterator[Entry | BadRow], report: Report, terms: Terms, watch: Watch) -> Iterator[Assertion]:
    for row in rows:
        report.rows += 1
        found = _assertion(row, terms) if isinstance(row, Entry) else row
        if isinstance(found, BadRow):
            report.bad += 1
            watch.bad_row(found)
        else:
            yield found


def _assertion(row: Entry, terms: Terms) -> Assertion | BadRow:
    try:
        subject = subject_named(row.address, terms.ring, terms.foldings)
    except AddressError as error:
        return BadRow(row.line, "email", clipped(str(error)))
    return Assertion(
        subject=subject.key,
        address=subject.text if terms.store_addresses else None,
        scope=terms.scope,
        reason=row.reason or terms.reason,
        at=row.at,
        evidence=row.evidence,
    )


def _is_first(said: Assertion, seen: set[int]) -> bool:
    """Whether nobody said the same in an earlier row; an import would find that one standing."""
    mark = hash((said.subject, said.reason))
    if mark in seen:
        return False
    seen.add(mark)
    return True


def _chunks(assertions: Iterator[Assertion]) -> Iterator[list[Assertion]]:
    while chunk := list(islice(assertions, CHUNK_ROWS)):
        yield chunk


def _digest(file: BinaryIO, file_format: Format, columns: Mapping[str, str]) -> bytes:
    """What makes two imports the same: the octets, and how they are read."""
    file.seek(0)
    digest = hashlib.blake2b(digest_size=32)
    while octets := file.read(_SAMPLE):
        digest.update(octets)
    digest.update(repr((file_format, sorted(columns.items()))).encode())
    return digest.digest()
