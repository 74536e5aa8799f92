"""Write the list, a part of it, or what changed, into a file, and note that in the ledger.

The rows come from pages, each read at one moment, so that nobody is kept from writing; what stands from the beginning
to the end is written, once, and the cursor in the report is of the moment before the first page. The ledger entry is
committed when `export` returns: until then the file is a draft that nobody should have. Raises UsageError for a cursor
or an import that there is not, OSError for the file, and the store's errors.
"""

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

from consentmilter.errors import UsageError
from consentmilter.exporters import FORMATS, Setting, Tally, jsonl
from consentmilter.exporters.rows import stamp
from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.service.changes import Change, changes, end
from consentmilter.service.sorting import Sorter
from consentmilter.service.suppressions import Actor, Clock, Random, get_batch, utc_now
from consentmilter.store import entries, exports
from consentmilter.store.exports import Choice
from consentmilter.store.suppressions import Key
from consentmilter.store.writer import Store

CHANGES = "changes"
"""The format that is of what happened, and not of what stands."""

ROWS_AT_ONCE = 5000
"""As many entries are read in one transaction, and are in memory."""

_CHANGES_AT_ONCE = 1000
_LINES_AT_ONCE = 1000
_KEYS = 1 << 32


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, and in which format.

    `stream` is the stream whose scopes `choice` has, `since` the cursor from which on, `key` which subject key is in
    use, for entries without an address.
    """

    format: str
    choice: Choice
    key: str
    stream: str | None = None
    since: str | None = None

    def told(self) -> dict[str, str]:
        """The format and the filters, for the ledger."""
        choice = self.choice
        given = {
            "format": self.format,
            "stream": self.stream,
            "scope": None if self.stream else " ".join(choice.scopes),
            "reason": " ".join(choice.reasons),
            "after": choice.after and stamp(choice.after),
            "before": choice.before and stamp(choice.before),
            "batch": choice.batch,
            "since": self.since,
        }
        return {name: text for name, text in given.items() if text}


@dataclass(slots=True)
class Report:
    """What was written: lines below the header and the digest of it all, and what could not be.

    `lifted` counts the lifts since a cursor, which a format of what stands cannot tell.
    """

    format: str
    rows: int = 0
    digest: str = ""
    cursor: str = ""
    tally: Tally = field(default_factory=Tally)
    lifted: int = 0


async def export(
    store: Store,
    file: BinaryIO,
    order: Order,
    actor: Actor,
    progress: Callable[[float], None],
    *,
    now: Clock = utc_now,
    random: Random = secrets.token_bytes,
) -> Report:
    """Write what is ordered into the file; `progress` is told which part of the list was read."""
    batch = order.choice.batch
    if batch is not None and await get_batch(store, batch) is None:
        raise UsageError(f"there is no import {batch}")
    run = _Run(store, order, Setting(now(), order.key, scoped=bool(order.choice.scopes)), progress)
    out = _Out(file)
    await run.write(out)
    run.report.rows, run.report.digest = out.lines, out.digest.hexdigest()
    evidence = Evidence(random(SALT_OCTETS), order.told())
    entry = Entry(
        now(), actor.name, actor.source, Action.EXPORT,
        batch=batch, scope=order.choice.scopes[0] if len(order.choice.scopes) == 1 else None,
        count=out.lines, digest=out.digest.digest(), commitment=evidence.commitment(), evidence=evidence,
    )  # fmt: skip
    await store.write(lambda connection: entries.append(connection, entry))
    return run.report


class _Out:
    """The file, with the digest of what went into it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.blake2b(digest_size=32)
        self.lines = 0

    def head(self, text: str) -> None:
        """Write what is no entry."""
        self._put(text)

    def write(self, lines: Iterable[str]) -> None:
        source = iter(lines)
        while some := list(islice(source, _LINES_AT_ONCE)):
            self._put("".join(some))
            self.lines += len(some)

    def _put(self, text: str) -> None:
        octets = text.encode()
        self._file.write(octets)
        self.digest.update(octets)


class _Run:
    """One export under way."""

    def __init__(self, store: Store, order: Order, setting: Setting, progress: Callable[[float], None]) -> None:
        self._store = store
        self._order = order
        self._setting = setting
        self._progress = progress
        self.report = Report(order.format)

    async def write(self, out: _Out) -> None:
        """Write everything there is to write."""
        if self._order.format == CHANGES:
            async for items in self._changes():
                out.write(map(_line, items))
            return
        out.head(FORMATS[self._order.format].header)
        parts = self._everything() if self._order.since is None else self._since()
        if not FORMATS[self._order.format].sort:
            async for lines in parts:
                out.write(lines)
            return
        with Sorter() as sorter:
            async for lines in parts:
                sorter.add(lines)
            out.write(sorter.sorted())

    async def _everything(self) -> AsyncIterator[Iterable[str]]:
        """What stands, page by page."""
        self.report.cursor = await end(self._store)
        written, tally = FORMATS[self._order.format], self.report.tally
        behind = b""
        while rows := await self._store.read(lambda c: exports.people(c, self._order.choice, behind, ROWS_AT_ONCE)):  # noqa: B023 - awaited at once
            yield written.people(rows, self._setting, tally)
            behind = rows[-1].subject
            # Subject keys are digests: how far the first octets are, that far is the whole.
            self._progress(int.from_bytes(behind[:4]) / _KEYS)
        behind = b""
        while hashes := await self._store.read(lambda c: exports.hashes(c, self._order.choice, behind, ROWS_AT_ONCE)):  # noqa: B023 - awaited at once
            yield written.hashes(hashes, self._setting, tally)
            behind = hashes[-1].digest

    async def _since(self) -> AsyncIterator[Iterable[str]]:
        """What changed and stands now."""
        written, choice = FORMATS[self._order.format], self._order.choice
        async for items in self._changes():
            lifted = [change for change in items if change.action == Action.LIFT]
            self.report.lifted += len(lifted)
            keys = [Key(each.subject, each.scope, each.reason) for each in items if each.action != Action.LIFT]
            rows = await self._store.read(lambda c: exports.of_keys(c, choice, keys))  # noqa: B023 - awaited at once
            yield written.people(rows, self._setting, self.report.tally)

    async def _changes(self) -> AsyncIterator[Sequence[Change]]:
        """What happened, as far as scope and reason are meant."""
        self.report.cursor, more = self._order.since or "", True
        while more:
            page = await changes(self._store, self.report.cursor or None, _CHANGES_AT_ONCE)
            self.report.cursor, more = page.cursor, page.more
            yield [change for change in page.items if self._means(change)]

    def _means(self, change: Change) -> bool:
        choice = self._order.choice
        return (
            (not choice.scopes or change.scope in choice.scopes)
            and (not choice.reasons or change.reason in choice.reasons)
            and choice.batch in (None, change.batch)
        )


def _line(change: Change) -> str:
    return jsonl.line(
        {
            "action": change.action,
            "at": stamp(change.at),
            "subject": change.subject.hex(),
            "address": change.address,
            "scope": change.scope,
            "reason": change.reason,
            "origin": change.origin,
            "batch": change.batch,
        }
    )
