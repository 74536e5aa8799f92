"""Lines of a table taken apart together: of millions of rows, most say no more than who, why and since when.

A `Table` holds some of them column by column, and gives back any of them as the row that it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat

from consentmilter.importers.columns import RowReader
from consentmilter.importers.rows import Row
from consentmilter.importers.values import ValueFault, moment
from consentmilter.model import Reason


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that follow each other, none of them bad, skipped, or with an end or a scope of its own.

    Each of the addresses is as written, but for spaces around it.
    """

    addresses: list[str]
    reasons: list[Reason | None]
    times: list[datetime | None]
    line: int
    cells: Sequence[str]
    reader: RowReader

    def row(self, at: int) -> Row:
        """One of the rows, counted from 0."""
        width = self.reader.width
        return self.reader(self.line + at, self.cells[at * width : (at + 1) * width])

    def rows(self) -> Iterator[Row]:
        return map(self.row, range(len(self.addresses)))


def table_of(lines: Sequence[str], line: int, delimiter: str, reader: RowReader) -> Table | None:
    """The rows of these lines, of which the first has this number; None where it takes a closer look at each."""
    width = reader.width
    if not reader.is_simple or list(map(str.count, lines, repeat(delimiter))).count(width - 1) < len(lines):
        return None
    cells = delimiter.join(lines).split(delimiter)
    addresses = list(map(str.strip, cells[reader.email :: width]))
    if not all(addresses):
        return None
    try:
        reasons = reader.reasons(cells)
        times: list[datetime | None] = [None] * len(lines)
        if reader.date >= 0:
            times = list(map(moment, cells[reader.date :: width]))
    except ValueFault:
        return None
    return None if reasons is None else Table(addresses, reasons, times, line, cells, reader)
