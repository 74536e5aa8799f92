"""Go through the tables of two databases page by page, and settle where they differ.

Both are read in the order of the key, so that what is compared is the same stretch of a table on both sides, whatever
either of them has there. Raises StoreSetupError where the target holds what may not be overwritten, and whatever the
two databases raise.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from consentmilter.store.copies import Change, Copied, Digest, Row, Stretch
from consentmilter.store.databases import SyncJob

T = TypeVar("T")

ROWS_AT_ONCE = 10_000

Progress = Callable[[float], None]
"""Told which part is done."""

Settle = Callable[[Copied, Stretch, list[Row], Change], Change]
"""Deals with a stretch of a table in which the target has other rows than the source, and says what it took."""


class Look(Protocol):
    """How a database is read: one state of it each time, or the one in which nobody can write."""

    def __call__(self, job: SyncJob[T], /) -> T: ...


@dataclass
class Tally:
    """What became of one table: its rows, a digest over them, and how many of them were other ones in the target."""

    table: str
    rows: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Pages:
    """Some tables on both sides; of a target that is still to be made, None, there are no rows."""

    tables: Sequence[Copied]
    tallies: Sequence[Tally]
    target: Look | None
    progress: Progress

    def settle(self, source: Look, settle: Settle) -> None:
        """Go through all tables once; the tallies grow."""
        total = source(lambda connection: sum(table.count(connection) for table in self.tables))
        done = 0
        for table, tally in zip(self.tables, self.tallies, strict=True):
            digest = Digest()
            tally.rows = 0
            for rows, change in walk(table, source, self.target, settle):
                digest.add(rows)
                tally.rows += len(rows)
                tally.added += len(change.added)
                tally.changed += len(change.changed)
                tally.removed += len(change.removed)
                self.progress(min((done + tally.rows) / total, 1.0) if total else 1.0)
            tally.digest = digest.hex()
            done += tally.rows


def walk(table: Copied, source: Look, target: Look | None, settle: Settle) -> Iterator[tuple[list[Row], Change]]:
    """Go through one table: the rows of the source, and what was settled, stretch by stretch."""
    stretch = Stretch(None, None)
    while True:
        read = partial(table.page, after=stretch.end, rows=ROWS_AT_ONCE)
        wanted, found = source(read), target(read) if target else []
        stretch = table.stretch(stretch.end, (wanted, found), ROWS_AT_ONCE)
        wanted, found = table.within(wanted, stretch), table.within(found, stretch)
        change = table.difference(found, wanted)
        table.refuse_foreign(change)
        yield wanted, settle(table, stretch, wanted, change) if any(change) else change
        if stretch.end is None:
            return
