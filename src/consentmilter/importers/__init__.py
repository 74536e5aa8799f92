"""Suppression files as rows: text in, entries and bad rows out. Pure; whoever calls opens the file.

`recognise` makes a plan of how to read a file from its beginning; `read_rows` reads it so, and `read_parts` does it
faster. Raises `HeaderError` where a file does not say who is meant, or must not be imported, and nothing else.
"""

from collections.abc import Iterator

from consentmilter.importers import csv_rows, json_rows, key_rows
from consentmilter.importers.columns import CAUSE, LINE, RowReader
from consentmilter.importers.dialects import COLUMNS
from consentmilter.importers.lines import Read
from consentmilter.importers.recognise import FORMATS, SHAPES, Plan, recognise
from consentmilter.importers.rows import BadRow, Entry, Hashed, HeaderError, Keyed, Row, Skipped
from consentmilter.importers.tables import Table

__all__ = [
    "CAUSE",
    "COLUMNS",
    "FORMATS",
    "LINE",
    "SHAPES",
    "BadRow",
    "Entry",
    "Hashed",
    "HeaderError",
    "Keyed",
    "Plan",
    "Row",
    "Skipped",
    "Table",
    "read_parts",
    "read_rows",
    "recognise",
]


def read_rows(read: Read, plan: Plan) -> Iterator[Row]:
    """Every row of a file, in order.

    `read` gives text as a file does that was opened with universal line ends. Octets that were no text are expected
    as lone surrogates.
    """
    for part in read_parts(read, plan):
        if isinstance(part, Table):
            yield from part.rows()
        else:
            yield part


def read_parts(read: Read, plan: Plan) -> Iterator[Row | Table]:
    """The same rows, those that are alike by the table: for whoever reads millions."""
    match plan.shape:
        case "csv":
            reader = RowReader(plan.dialect, plan.names, plan.columns)
            return csv_rows.read_parts(read, plan.delimiter, plan.names, reader, header=plan.header)
        case "jsonl":
            return json_rows.read_lines(read, json_rows.ObjectReader(plan.dialect, plan.names, plan.columns))
        case "json":
            return json_rows.read_array(read, json_rows.ObjectReader(plan.dialect, plan.names, plan.columns))
        case "txt":
            return key_rows.read_list(read)
        case "hashes":
            return key_rows.read_hashes(read)
        case "postfix":
            return key_rows.read_access_map(read)
