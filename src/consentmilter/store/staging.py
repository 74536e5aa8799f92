"""The rows of an import on their way into the store: gathered in any order, given back in key order.

Keys are random. Rows in the order of a file would touch nearly every page of a large table in each transaction; in key
order each page is written about once. Beyond a number of rows they lie in a file without a name, which is gone with the
process, so that memory stays flat. Raises StoreError where that file cannot be written.
"""

import marshal
import os
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from operator import itemgetter
from types import TracebackType
from typing import BinaryIO, Self

from consentmilter.errors import StoreError
from consentmilter.ledger import said_digest
from consentmilter.store.chunks import Said

RUN_ROWS = 100_000
"""Rows that are kept in memory: some 30 MB."""

_key = itemgetter(0)
_what = itemgetter(0, 1, 2)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that are to go in together: how many, the digest of them, and each that says something else, by key."""

    count: int
    digest: bytes
    distinct: Sequence[Said]

    @classmethod
    def of(cls, rows: Sequence[Said]) -> "Rows":
        """What can be made ready before the lock is held, and by another thread than the event loop's."""
        return cls(len(rows), said_digest(row[:5] for row in rows), in_order(rows))


class Staging:
    """Rows by key; a context that removes its file."""

    def __init__(self, make_file: Callable[[], BinaryIO], run_rows: int = RUN_ROWS) -> None:
        """Take where to make the file, if one is needed."""
        self._make_file = make_file
        self._run_rows = run_rows
        self._file: BinaryIO | None = None
        self._pieces: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._run: list[Said] = []
        self._added = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        """How many rows were added, repeats included."""
        return self._added

    def add(self, rows: Iterable[Said]) -> None:
        before = len(self._run)
        self._run.extend(rows)
        self._added += len(self._run) - before
        if len(self._run) >= self._run_rows:
            self._put_aside()

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
        if self._file is None:
            yield in_order(self._run)
            return
        if self._run:
            self._put_aside()
        for octet in sorted(self._pieces):
            yield in_order([row for place in self._pieces[octet] for row in self._read(*place)])

    def _put_aside(self) -> None:
        """Move the rows in memory to the file, in a piece for each first octet of a key."""
        try:
            self._file = self._file or self._make_file()
            start = self._file.seek(0, os.SEEK_END)
            for octet, rows in _by_octet(in_order(self._run)):
                octets = self._file.write(_packed(rows))
                self._pieces[octet].append((start, octets))
                start += octets
            self._file.flush()
        except OSError as error:
            raise StoreError(f"cannot put the rows of the import aside: {error.strerror}") from error
        self._run.clear()

    def _read(self, start: int, octets: int) -> list[Said]:
        assert self._file is not None
        self._file.seek(start)
        return _unpacked(self._file.read(octets))


def _by_octet(rows: Sequence[Said]) -> Iterator[tuple[int, Sequence[Said]]]:
    """Ordered rows in pieces whose keys begin with the same octet."""
    starts = [bisect_left(rows, bytes([octet]), key=_key) for octet in range(256)]
    for octet, (start, end) in enumerate(pairwise([*starts, len(rows)])):
        if start < end:
            yield octet, rows[start:end]


def _packed(rows: Sequence[Said]) -> bytes:
    """The rows column by column, and a column that says the same in all of them as that alone."""
    columns = zip(*rows, strict=True)
    told = [column[0] if column.count(column[0]) == len(column) else column for column in columns]
    return marshal.dumps((len(rows), told))


def _unpacked(octets: bytes) -> list[Said]:
    count, told = marshal.loads(octets)  # noqa: S302 - nobody else can open the file
    columns = (column if isinstance(column, tuple) else repeat(column, count) for column in told)
    return list(zip(*columns, strict=True))


def in_order(rows: Collection[Said]) -> list[Said]:
    """The rows in the order of their subjects; of rows that say the same, the first, held as long as the longest."""
    if len(set(map(_key, rows))) < len(rows):
        rows = _distinct(rows)
    return sorted(rows, key=_key)


def _distinct(rows: Iterable[Said]) -> Collection[Said]:
    found: dict[tuple[bytes, str, str], Said] = {}
    for row in rows:
        first = found.setdefault(_what(row), row)
        if first is not row:
            key, scope, reason, since, expires, address = first
            found[_what(row)] = (key, scope, reason, since, _later(expires, row[4]), address or row[5])
    return found.values()


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
