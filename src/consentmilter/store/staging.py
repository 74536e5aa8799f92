"""The rows of an import on their way into the store: gathered in any order, given back in key order.

Keys are random. Rows in the order of a file would touch nearly every page of a large table in each transaction; in key
order each page is written about once. Beyond a number of rows they lie in a file without a name, which is gone with the
process, so that memory stays flat. Raises StoreError where that file cannot be written.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from types import TracebackType
from typing import BinaryIO, Self

from consentmilter.errors import StoreError
from consentmilter.store.ready import Rows, Sources
from consentmilter.store.said import Columns, Said, distinct

RUN_ROWS = 50_000
"""Rows that are kept in memory: some 15 MB."""

PART_OCTETS = 1 << 23
"""As much of a spill is sorted in memory at once: some 120,000 rows, which take 40 MB there."""

_KEY_OCTETS = 16
"""The least that a key has."""

Place = tuple[int, int]
"""Where something lies in a spill: from which octet to which."""

Run = Sequence[int]
"""Rows in a spill by an octet of their keys: where those of each begin, and where the last of them ends."""


class Spill:
    """A file for what memory shall not hold, made when there is something; a context that removes it."""

    def __init__(self, make_file: Callable[[], BinaryIO]) -> None:
        self._make_file = make_file
        self._made: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._made is not None:
            self._made.close()

    @property
    def file(self) -> BinaryIO:
        """The file, which is made now if it was not before."""
        if self._made is None:
            with _translated():
                self._made = self._make_file()
        return self._made

    def put(self, octets: bytes) -> Place:
        file = self.file
        with _translated():
            start = file.seek(0, os.SEEK_END)
            file.write(octets)
            file.flush()
        return start, start + len(octets)

    def get(self, place: Place) -> bytes:
        start, end = place
        self.file.seek(start)
        return self.file.read(end - start)


class Staging:
    """Rows by key."""

    def __init__(self, spill: Spill, run_rows: int = RUN_ROWS, at: int = 0) -> None:
        """Take where to put rows that are too many; several stagings may share it.

        `at` is the place of the octet by which they are told apart there, in keys that are the same before it.
        """
        self._spill = spill
        self._run_rows = run_rows
        self._at = at
        self._runs: list[tuple[Spill, Run]] = []
        self._rows: list[Said] = []
        self._added = 0

    def __len__(self) -> int:
        """How many rows were added, repeats included."""
        return self._added

    def add(self, rows: Iterable[Said]) -> None:
        before = len(self._rows)
        self._rows.extend(rows)
        self._added += len(self._rows) - before
        if len(self._rows) >= self._run_rows:
            self._put_aside()

    def put_aside(self) -> list[Run]:
        """Put all rows that were added into the spill, and tell where they are: for another process to adopt."""
        self._put_aside()
        return [run for _, run in self._runs]

    def adopt(self, spill: Spill, runs: Iterable[Run], count: int) -> None:
        """Take so many rows that another process put aside for rows that were added before one's own."""
        self._added += count
        self._runs[:0] = [(spill, array("Q", run)) for run in runs]

    def ready(self, rows: int, sources: Sources | None = None) -> Iterator[Rows]:
        """All rows in key order, so many at a time, as `Rows.of` makes them ready."""
        return (Rows.of(chunk, sources) for chunk in self.chunks(rows))

    def chunks(self, rows: int) -> Iterator[Columns]:
        """All rows in key order, so many at a time; of rows that say the same, one."""
        waiting: list[Columns] = []
        count = 0
        for part in self._parts():
            waiting.append(part)
            count += part.count
            if count < rows:
                continue
            joined = Columns.joined(waiting)
            for start in range(0, count - rows + 1, rows):
                yield joined.part(start, start + rows)
            count %= rows
            waiting = [joined.part(joined.count - count, joined.count)]
        if count:
            yield Columns.joined(waiting)

    def _parts(self) -> Iterator[Columns]:
        """The rows in key order, as many at a time as memory may hold."""
        if not self._runs:
            yield Columns.of(self._rows).in_order()
            return
        self._put_aside()
        for octet in range(256):
            places = [(spill, (run[octet], run[octet + 1])) for spill, run in self._runs]
            pieces = [(spill, place) for spill, place in places if place[0] < place[1]]
            if sum(end - start for _, (start, end) in pieces) <= PART_OCTETS or self._at + 1 == _KEY_OCTETS:
                if pieces:
                    yield Columns.joined([_columns(*piece) for piece in pieces]).in_order()
            else:  # as from some 30,000,000 rows on
                finer = Staging(self._spill, self._run_rows, self._at + 1)
                for piece in pieces:
                    finer.add(_columns(*piece).rows())
                yield from finer._parts()

    def _put_aside(self) -> None:
        """Move the rows in memory to the spill."""
        if not self._rows:
            return
        by_octet: list[list[Said]] = [[] for _ in range(256)]
        for row in distinct(self._rows):
            by_octet[row[0][self._at]].append(row)
        packed = [Columns.of(rows).packed() if rows else b"" for rows in by_octet]
        start, _ = self._spill.put(b"".join(packed))
        self._runs.append((self._spill, array("Q", accumulate(map(len, packed), initial=start))))
        self._rows.clear()


def _columns(spill: Spill, place: Place) -> Columns:
    return Columns(spill.get(place))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot put the rows of the import aside: {error.strerror}") from error
