"""The rows of an import on their way into the store: gathered in any order, given back in key order.

Keys are random. Rows in the order of a file would touch nearly every page of a large table in each transaction; in key
order each page is written about once. Beyond a number of rows they lie in a file without a name, which is gone with the
process, so that memory stays flat. Raises StoreError where that file cannot be written.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Self

from consentmilter.errors import StoreError
from consentmilter.store.said import Columns, Rows, Said, distinct, in_order

RUN_ROWS = 50_000
"""Rows that are kept in memory: some 15 MB."""

Place = tuple[int, int]
"""Where something lies in a spill: from which octet on, and how many."""

Index = Mapping[int, Sequence[Place]]
"""Where the rows lie whose keys begin with an octet."""


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
        return start, len(octets)

    def get(self, place: Place) -> bytes:
        start, octets = place
        self.file.seek(start)
        return self.file.read(octets)


class Staging:
    """Rows by key."""

    def __init__(self, spill: Spill, run_rows: int = RUN_ROWS) -> None:
        """Take where to put rows that are too many; several stagings may share it."""
        self._spill = spill
        self._run_rows = run_rows
        self._pieces: defaultdict[int, list[tuple[Spill, Place]]] = defaultdict(list)
        self._run: list[Said] = []
        self._added = 0

    def __len__(self) -> int:
        """How many rows were added, repeats included."""
        return self._added

    def add(self, rows: Iterable[Said]) -> None:
        before = len(self._run)
        self._run.extend(rows)
        self._added += len(self._run) - before
        if len(self._run) >= self._run_rows:
            self._put_aside()

    def put_aside(self) -> Index:
        """Put all rows that were added into the spill, and tell where they are: for another process to adopt."""
        self._put_aside()
        return {octet: [place for _, place in pieces] for octet, pieces in self._pieces.items()}

    def adopt(self, spill: Spill, index: Index, count: int) -> None:
        """Take so many rows that another process put aside for rows that were added before one's own."""
        self._added += count
        for octet, places in index.items():
            self._pieces[octet][:0] = [(spill, place) for place in places]

    def ready(self, rows: int) -> Iterator[Rows]:
        """All rows in key order, so many at a time, with what is to be recorded of them."""
        return map(Rows.of, self.chunks(rows))

    def chunks(self, rows: int) -> Iterator[list[Said]]:
        """All rows in key order, so many at a time; of rows that say the same, one."""
        waiting: list[Said] = []
        for part in self._parts():
            waiting += part
            while len(waiting) >= rows:
                yield waiting[:rows]
                del waiting[:rows]
        if waiting:
            yield waiting

    def _parts(self) -> Iterator[list[Said]]:
        """The rows whose keys begin with the same octet, in the order of these octets."""
        if not self._pieces:
            yield in_order(self._run)
            return
        self._put_aside()
        for octet in sorted(self._pieces):
            yield in_order([row for piece in self._pieces[octet] for row in _rows(*piece)])

    def _put_aside(self) -> None:
        """Move the rows in memory to the spill, in a piece for each first octet of a key."""
        for octet, rows in _by_octet(distinct(self._run)).items():
            self._pieces[octet].append((self._spill, self._spill.put(Columns.of(rows).packed())))
        self._run.clear()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"cannot put the rows of the import aside: {error.strerror}") from error


def _rows(spill: Spill, place: Place) -> Iterable[Said]:
    return Columns.unpacked(spill.get(place)).rows()


def _by_octet(rows: Collection[Said]) -> Mapping[int, Sequence[Said]]:
    found: defaultdict[int, list[Said]] = defaultdict(list)
    for row in rows:
        found[row[0][0]].append(row)
    return found
