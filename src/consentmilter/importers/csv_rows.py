"""CSV with a header line; separated by comma, semicolon or tab, whichever the header uses.

A quote that is never closed makes one bad row and no more: the lines that it swallowed are read again as rows.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from consentmilter.importers.lines import TOO_LONG, is_blank, plain, too_long
from consentmilter.importers.rows import BadRow, Entry, HeaderError, clipped, columns_of, entry, names_address

DELIMITERS = ",;\t"

MAX_RECORD_LINES = 100
"""How many lines a quoted field may reach over, so that a quote without its end is noticed soon."""


class _UnreadableError(Exception):
    """The record cannot be CSV; the message says why."""


class _Lines:
    """The lines of a file, for the csv module: counted, and those of the record at hand can be put back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source = iter(lines)
        self._ahead: deque[str] = deque()
        self.record: list[str] = []
        self.number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = plain(self._ahead.popleft() if self._ahead else next(self._source))
        self.number += 1
        self.record.append(line)
        if too_long(line):
            raise _UnreadableError(TOO_LONG)
        if len(self.record) > MAX_RECORD_LINES:
            raise _UnreadableError(f"a quote is open for {MAX_RECORD_LINES} lines")
        return line

    def begin(self) -> int:
        """Begin a record; the number of its first line."""
        self.record = []
        return self.number + 1

    def put_back(self, kept: int) -> None:
        """Have all lines of the record but the first `kept` come again."""
        self._ahead.extendleft(reversed(self.record[kept:]))
        self.number -= len(self.record[kept:])


def has_columns(line: str) -> bool:
    """Whether the first line of a file shows that it has columns: a delimiter, or the name of the address column."""
    return names_address(line.strip('"')) or any(delimiter in line for delimiter in DELIMITERS)


def read(lines: Iterable[str], columns: Mapping[str, str]) -> Iterator[Entry | BadRow]:
    """Every row below the header. Raises `HeaderError` if the header names no column of addresses."""
    source = _Lines(lines)
    rows = csv.reader(source, delimiter=_to_header(source, columns), strict=True)
    try:
        header = next(rows, [])
    except (csv.Error, _UnreadableError) as error:
        raise HeaderError(f"line {source.number}: the header is not CSV: {error}") from error
    positions = {ours: header.index(name) for ours, name in columns_of(header, columns).items()}
    return _rows(source, rows, positions, len(header))


def _rows(
    source: _Lines, rows: Iterator[list[str]], positions: Mapping[str, int], width: int
) -> Iterator[Entry | BadRow]:
    while True:
        line = source.begin()
        try:
            row = next(rows)
            _check(row, positions, width)
        except StopIteration:
            return
        except (csv.Error, _UnreadableError) as error:
            yield BadRow(line, "-", _cause(error, source.record))
            source.put_back(1)
        else:
            if any(cell.strip() for cell in row):
                yield entry(line, {ours: row[at] for ours, at in positions.items() if at < len(row)})


def _check(row: list[str], positions: Mapping[str, int], width: int) -> None:
    """Refuse a row that has more cells than the header, and one whose address reaches over lines."""
    if any(cell.strip() for cell in row[width:]):
        raise _UnreadableError(f"{len(row)} columns, but the header has {width} (a missing quote?)")
    address = row[positions["email"]].strip() if positions["email"] < len(row) else ""
    if "\n" in address or "\r" in address:
        raise _UnreadableError("a line end within the address")


def _cause(error: Exception, record: list[str]) -> str:
    if isinstance(error, csv.Error) and (len(record) > 1 or "end of data" in str(error)):
        return "not CSV: a quote is opened and never closed"
    return clipped(f"not CSV: {error}")


def _to_header(source: _Lines, columns: Mapping[str, str]) -> str:
    """Pass over what stands before the header, and find what separates its columns."""
    line = ""
    for line in source:
        source.begin()
        if names_address(*_cells(line)) or not is_blank(line):
            break
    source.record = [line]
    source.put_back(0)
    source.begin()
    return max(DELIMITERS, key=lambda delimiter: (_fits(line, delimiter, columns), line.count(delimiter)))


def _fits(line: str, delimiter: str, columns: Mapping[str, str]) -> bool:
    """Whether a column of addresses is found in the line, split by the delimiter."""
    try:
        columns_of(_split(line, delimiter), columns)
    except HeaderError:
        return False
    return True


def _cells(line: str) -> list[str]:
    return [cell for delimiter in DELIMITERS for cell in _split(line, delimiter)]


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line.strip()], delimiter=delimiter), [])
