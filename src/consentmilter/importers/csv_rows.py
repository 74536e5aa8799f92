"""CSV with a header line; separated by comma, semicolon or tab, whichever the header uses."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from consentmilter.importers.rows import COLUMNS, BadRow, Entry, columns_of, entry

DELIMITERS = ",;\t"
MAX_FIELD = 1 << 16
"""Longer than any address or reason; csv refuses longer fields, and with them a quote that never closes."""


def is_header(line: str) -> bool:
    """Whether the line names columns: a delimiter, or the name of the address column alone."""
    names = {name.strip().strip('"').lower() for name in line.removeprefix("\ufeff").split(_delimiter(line))}
    return bool(names & set(COLUMNS["email"])) or (len(names) > 1 and "@" not in line)


def read(lines: Iterable[str], columns: Mapping[str, str]) -> Iterator[Entry | BadRow]:
    """Every row below the header. Raises `HeaderError` if the header names no column of addresses."""
    iterator = iter(lines)
    first = next(iterator, "").removeprefix("\ufeff")
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(chain([first], iterator), delimiter=_delimiter(first), strict=True)
    header = next(reader, [])
    positions = {ours: header.index(name) for ours, name in columns_of(header, columns).items()}
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield BadRow(line, "-", f"not CSV: {error}")
            continue
        if row:
            yield _row(line, row, positions, len(header))


def _row(line: int, row: list[str], positions: Mapping[str, int], width: int) -> Entry | BadRow:
    if len(row) > width:
        return BadRow(line, "-", f"{len(row)} columns, but the header has {width} (a missing quote?)")
    return entry(line, {ours: row[at] for ours, at in positions.items() if at < len(row)})


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)
