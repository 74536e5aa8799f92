"""CSV: rows of cells, below a header or without one.

A quote that is never closed makes one bad row and no more: the lines that it swallowed are read again as rows. Lines
without quotes, which most are, take a short way that comes to the same, many of them at once where they are alike.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Self

from consentmilter.importers.columns import RowReader
from consentmilter.importers.lines import BYTE_ORDER_MARK, MAX_LINE, TOO_LONG, Read, blocks, is_blank, plain, too_long
from consentmilter.importers.rows import BadRow, Row, clipped
from consentmilter.importers.tables import Table, table_of

MAX_RECORD_LINES = 100
"""How many lines a quoted field may reach over, so that a quote without its end is noticed soon."""


_ALIKE = 100
"""As many lines are taken apart together; one that is not like the others makes them all be looked at."""


class UnreadableError(Exception):
    """The record cannot be CSV; the message says why."""


class Lines:
    """The lines of a file, for the csv module: counted, and those of the record at hand can be put back."""

    def __init__(self, read: Read) -> None:
        self._blocks = blocks(read)
        self._ahead: deque[str] = deque()
        self.record: list[str] = []
        self.number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        while not self._ahead:
            self._ahead.extend(next(self._blocks))
        line = plain(self._ahead.popleft())
        self.number += 1
        self.record.append(line)
        if too_long(line):
            raise UnreadableError(TOO_LONG)
        if len(self.record) > MAX_RECORD_LINES:
            raise UnreadableError(f"a quote is open for {MAX_RECORD_LINES} lines")
        return f"{line}\n"

    def begin(self) -> int:
        """Begin a record; the number of its first line."""
        self.record = []
        return self.number + 1

    def put_back(self, kept: int) -> None:
        """Have all lines of the record but the first `kept` come again."""
        self._ahead.extendleft(reversed(self.record[kept:]))
        self.number -= len(self.record[kept:])

    def plain_lines(self) -> list[str] | None:
        """The next lines, all at once, if none has anything that would have to be looked at: no quote, no mark."""
        if not self._ahead:
            self._ahead.extend(next(self._blocks, ()))
        lines = list(self._ahead)
        text = "".join(lines)
        if '"' in text or BYTE_ORDER_MARK in text or max(map(len, lines), default=0) > MAX_LINE:
            return None
        self._ahead.clear()
        self.number += len(lines)
        return lines

    @property
    def within_block(self) -> bool:
        """Whether lines are left of those that came with the last one."""
        return bool(self._ahead)


def read(text: Read, delimiter: str, names: Sequence[str], reader: RowReader, *, header: bool) -> Iterator[Row]:
    """Every row; of a file with a header, those below it."""
    for part in read_parts(text, delimiter, names, reader, header=header):
        if isinstance(part, Table):
            yield from part.rows()
        else:
            yield part


def read_parts(
    text: Read, delimiter: str, names: Sequence[str], reader: RowReader, *, header: bool
) -> Iterator[Row | Table]:
    """The same rows, those that are alike by the table."""
    source, width = Lines(text), len(names)
    if header:
        pass_header(source, delimiter, names)
    while True:
        first = source.number + 1
        lines = source.plain_lines()
        if lines is None:
            yield from _careful(source, delimiter, reader, width)
        elif lines:
            for start in range(0, len(lines), _ALIKE):
                some, number = lines[start : start + _ALIKE], first + start
                table = table_of(some, number, delimiter, reader)
                yield from _quick(some, number, delimiter, reader, width) if table is None else (table,)
        else:
            return


def pass_header(source: Lines, delimiter: str, names: Sequence[str] = ()) -> list[str]:
    """Pass over what stands before the header and over the header itself, and return its cells.

    Comments may stand before it, but one that has the `names` is the header. Raises `UnreadableError`, or the csv
    module's error, if it is no CSV.
    """
    for line in source:
        if not is_blank(line) or split(line, delimiter) == list(names):
            source.put_back(0)
            break
        source.begin()
    source.begin()
    return next(csv.reader(source, delimiter=delimiter, strict=True), [])


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line, as far as it can be told from this line alone."""
    try:
        return next(csv.reader([line.strip()], delimiter=delimiter), [])
    except csv.Error:  # longer than any cell may be
        return line.strip().split(delimiter)


def _quick(lines: list[str], number: int, delimiter: str, reader: RowReader, width: int) -> Iterator[Row]:
    for line in lines:
        cells = line.split(delimiter)
        if len(cells) > width and any(map(str.strip, cells[width:])):
            yield BadRow(number, "-", f"not CSV: {_too_wide(cells, width)}", cells)
        elif cells[0].strip() or any(map(str.strip, cells)):
            yield reader(number, cells)
        number += 1


def _careful(source: Lines, delimiter: str, reader: RowReader, width: int) -> Iterator[Row]:
    """The rows of the lines at hand, and of as many more as the last of them reaches over."""
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    while source.within_block:
        line = source.begin()
        try:
            row = next(rows)
            _check(row, reader.email, width)
        except StopIteration:
            return
        except (csv.Error, UnreadableError) as error:
            yield BadRow(line, "-", _cause(error, source.record), (clipped(source.record[0]),))
            source.put_back(1)
        else:
            if any(map(str.strip, row)):
                yield reader(line, row)


def _check(row: list[str], email: int, width: int) -> None:
    """Refuse a row that has more cells than the header, and one whose address reaches over lines."""
    if any(map(str.strip, row[width:])):
        raise UnreadableError(_too_wide(row, width))
    if 0 <= email < len(row) and "\n" in row[email].strip():
        raise UnreadableError("a line end within the address")


def _too_wide(row: list[str], width: int) -> str:
    return f"{len(row)} columns, but the header has {width} (a missing quote?)"


def _cause(error: Exception, record: list[str]) -> str:
    if isinstance(error, csv.Error) and (len(record) > 1 or "end of data" in str(error)):
        return "not CSV: a quote is opened and never closed"
    return clipped(f"not CSV: {error}")
