"""What rows of files say, as the store has it: as plain tuples, or column by column where many are handed on.

Of a million of them, making, sorting and keeping each costs. Pure, and without the database's modules, so that a
process that only reads files starts fast.
"""

import marshal
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain, compress, repeat
from operator import itemgetter
from typing import Any, Self

from consentmilter.ledger import alike_digest, said_digest

Said = tuple[bytes, str, str, int | None, int | None, str | None]
"""What one row says: subject or digest, scope, reason, since when and until when in seconds, and the address."""

_WIDTH = 6

WITHOUT_REFERENCES = 2
"""The format of marshal that does not look for values that are there twice: looking takes longer than it saves."""

_key = itemgetter(0)
_what = itemgetter(0, 1, 2)


class Columns:
    """Rows column by column: a tuple with a value for each row, or what all of them say as that alone; never a key."""

    def __init__(self, told: list[Any] | bytes) -> None:
        """Take columns, or what this program packed of some, which is unpacked when it is asked for."""
        self._told = told

    @classmethod
    def of(cls, rows: Sequence[Said]) -> Self:
        keys, *columns = list(zip(*rows, strict=True)) or [()] * _WIDTH
        told = [column[0] if column and column.count(column[0]) == len(column) else column for column in columns]
        return cls([keys, *told])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts, one after the other."""
        if len(parts) == 1:
            return parts[0]
        counts = [part.count for part in parts]
        keys, *columns = zip(*(part.told for part in parts), strict=True)
        return cls([tuple(chain.from_iterable(keys)), *(_joined(column, counts) for column in columns)])

    def packed(self) -> bytes:
        return marshal.dumps(self.told, WITHOUT_REFERENCES)

    @property
    def told(self) -> list[Any]:
        told = self._told
        if isinstance(told, bytes):
            told = self._told = marshal.loads(told)  # noqa: S302 - from a file or pipe that nobody else has
        return told

    @property
    def count(self) -> int:
        return len(self.told[0])

    def part(self, start: int, end: int) -> Self:
        """Some of the rows, which follow each other."""
        return self._with(lambda column: column[start:end])

    def only(self, chosen: Sequence[bool]) -> Self:
        """Some of the rows."""
        return self._with(lambda column: tuple(compress(column, chosen)))

    def in_order(self) -> Self:
        """The rows in the order of their keys; of those that say the same, the first, held as long as the longest."""
        keys = self.told[0]
        if len(set(keys)) < len(keys):
            return type(self).of(in_order([*self.rows()]))
        if len(keys) < 2:
            return self
        return self._with(itemgetter(*sorted(range(len(keys)), key=keys.__getitem__)))

    def rows(self) -> Iterable[Said]:
        return zip(*self.whole(), strict=True)

    @property
    def digest(self) -> bytes:
        """What the ledger records of these rows, which are in the order of their keys."""
        _, scope, reason, _, expires, _ = self.told
        if any(isinstance(column, tuple) for column in (scope, reason, expires)):
            return said_digest(row[:5] for row in self.rows())
        keys, _, _, since, *_ = self.whole()
        return alike_digest(keys, scope, reason, since, expires)

    def whole(self) -> list[Iterable[Any]]:
        """Each column with a value for each row."""
        return [_whole(column, self.count) for column in self.told]

    def _with(self, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Self:
        return type(self)([change(column) if isinstance(column, tuple) else column for column in self.told])


def _joined(columns: Sequence[Any], counts: Sequence[int]) -> Any:
    """One column of several parts that have so many rows."""
    first = columns[0]
    if not isinstance(first, tuple) and columns.count(first) == len(columns):
        return first
    each = zip(columns, counts, strict=True)
    return tuple(chain.from_iterable(_whole(column, count) for column, count in each))


def _whole(column: Any, count: int) -> Iterable[Any]:
    return column if isinstance(column, tuple) else repeat(column, count)


def in_order(rows: Collection[Said]) -> list[Said]:
    """The rows in the order of their subjects; of rows that say the same, the first, held as long as the longest."""
    return sorted(distinct(rows), key=_key)


def distinct(rows: Collection[Said]) -> Collection[Said]:
    """The same rows in any order; of rows that say the same, the first, held as long as the longest."""
    if len(set(map(_key, rows))) == len(rows):
        return rows
    found: dict[tuple[bytes, str, str], Said] = {}
    for row in rows:
        first = found.setdefault(_what(row), row)
        if first is not row:
            key, scope, reason, since, expires, address = first
            found[_what(row)] = (key, scope, reason, since, _later(expires, row[4]), address or row[5])
    return found.values()


def _later(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)
