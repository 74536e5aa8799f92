"""Copy a store into another database, of the same kind or of another, while the milter works on.

Page by page, each compared before it is written and read back behind it, until every row is the same: a run that was
cut short goes on where the pages begin to differ, and one that is done again brings over what has changed since. The
copy is marked as unfinished until a last run, with all writers of the source kept away, has made both equal; then it is
one to work with, and the source is closed. Raises StoreSetupError for a source or a target that is not to be used,
UsageError for the store itself as the target, and StoreError and its kinds for both.
"""

from collections.abc import Mapping
from functools import partial

import sqlalchemy as sa

from consentmilter.errors import StoreSetupError, UsageError
from consentmilter.service.copy_pages import Pages, Progress, Settle, Tally
from consentmilter.service.copy_target import accept
from consentmilter.store import marks
from consentmilter.store.check import connection_runner, verify
from consentmilter.store.copies import JOURNAL_GOES_ON, Change, Copied, Row, Stretch, core_tables, journal_tables
from consentmilter.store.databases import Database
from consentmilter.store.schema import CORE, JOURNAL, Tree, journal

_PATIENCE = 10.0


class Copying:
    """A copy of the core tree of `source`, which was made with the keys of these check values."""

    def __init__(self, source: Database, target: Database, key_checks: Mapping[str, bytes]) -> None:
        self._source = source
        self._target = target
        self._key_checks = key_checks
        self._tables = core_tables()
        self.tallies = [Tally(table.name) for table in self._tables]

    def check(self) -> None:
        """Refuse a source that may not be served from."""
        self._source.look(self._verify)

    def accept(self) -> None:
        """Refuse a target that holds other data."""
        accept(self._source, self._target)

    def preview(self, progress: Progress, *, empty: bool) -> None:
        """Count what a run would do; nothing is asked of a target that is still to be made."""
        pages = Pages(self._tables, self.tallies, None if empty else self._target.look, progress)
        pages.settle(self._source.look, seen)

    def begin(self, nonce: bytes) -> None:
        """Let nobody work with the target from now on."""
        self._target.make(lambda connection: marks.put_probe(connection, nonce))
        if self._source.look(lambda connection: marks.has_probe(connection, nonce)):
            self._target.make(marks.take_probe)
            raise UsageError(f"{self._target.name} is the store itself: name another database to copy it to")
        self._target.make(marks.begin_copy)

    def run(self, progress: Progress) -> None:
        """Bring over what differs, while others may write to the source."""
        pages = Pages(self._tables, self.tallies, self._target.look, progress)
        pages.settle(self._source.look, settling(self._target))

    def finish(self, progress: Progress) -> None:
        """Make both equal while nobody writes to either, and put the target in the place of the source."""

        def close(here: sa.Connection) -> None:
            self._verify(here)
            key_checks = marks.keys(marks.read(here))
            marks.close(here, self._target.name)
            # Committed before the source is closed: wherever this breaks off, there is a store to work with.
            self._target.make(partial(take_over, here, key_checks), _PATIENCE)

        def take_over(here: sa.Connection, key_checks: Mapping[str, bytes], there: sa.Connection) -> None:
            pages = Pages(self._tables, self.tallies, lambda job: job(there), progress)
            pages.settle(lambda job: job(here), partial(replace, there))
            marks.end_copy(there, key_checks)

        self._source.make(close, _PATIENCE)

    def _verify(self, connection: sa.Connection) -> None:
        _verify(self._source, connection, CORE, self._key_checks)


class CopyingJournal:
    """A copy of the journal; it holds up nobody, and what comes in behind it stays where it is."""

    def __init__(self, source: Database, target: Database) -> None:
        self._source = source
        self._target = target
        self._tables = journal_tables()
        self.tallies = [Tally(table.name) for table in self._tables]

    def preview(self, progress: Progress, *, empty: bool) -> None:
        """Count what a run would do."""
        pages = Pages(self._tables, self.tallies, None if empty else self._target.look, progress)
        pages.settle(self._source.look, seen)

    def accept(self) -> None:
        """Refuse a target with verdicts of its own."""
        last = sa.select(journal).order_by(journal.c.id.desc()).limit(1)
        theirs = self._target.look(lambda connection: connection.execute(last).first())
        if theirs is None:
            return
        same = sa.select(journal).where(journal.c.id == theirs.id)
        ours = self._source.look(lambda connection: connection.execute(same).first())
        newest = self._source.look(lambda connection: connection.scalar(sa.select(sa.func.max(journal.c.id)))) or 0
        # A row that is gone was pruned here since it was copied.
        if theirs.id > newest or (ours is not None and ours != theirs):
            raise StoreSetupError(f"{self._target.name} has a journal of its own: leave --journal out")

    def run(self, progress: Progress) -> None:
        """Bring over what differs."""
        self._source.look(lambda connection: _verify(self._source, connection, JOURNAL, {}))
        pages = Pages(self._tables, self.tallies, self._target.look, progress)
        pages.settle(self._source.look, settling(self._target))
        self._target.make(lambda connection: connection.execute(JOURNAL_GOES_ON))


def seen(_table: Copied, _stretch: Stretch, _wanted: list[Row], change: Change) -> Change:
    """Leave it at counting."""
    return change


def replace(there: sa.Connection, table: Copied, stretch: Stretch, wanted: list[Row], _seen: Change) -> Change:
    """Write what the target lacks, in a transaction that there is."""
    return table.replace(there, stretch, wanted)


def settling(target: Database) -> Settle:
    """Write what the target lacks, page by page.

    What a row refers to may have come in behind the page that would have brought it: both come with the next run.
    """

    def settle(table: Copied, stretch: Stretch, wanted: list[Row], change: Change) -> Change:
        return target.make(lambda there: replace(there, table, stretch, table.with_parents(there, wanted), change))

    return settle


def _verify(place: Database, connection: sa.Connection, tree: Tree, key_checks: Mapping[str, bytes]) -> None:
    verify(connection_runner(connection), tree, key_checks, place.name, connection.dialect.name)
