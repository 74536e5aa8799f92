"""Suppression files as rows: text in, entries and bad rows out. Pure; whoever calls opens the file.

`detect` finds the format from the first lines, `bounded` cuts lines that never end, and `read_rows` picks the reader.
Raises `HeaderError` where a file does not say which of its columns holds the address, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from consentmilter.importers import csv_rows, jsonl_rows, text_rows
from consentmilter.importers.lines import bounded, first_line
from consentmilter.importers.rows import BadRow, Entry, HeaderError

Format = Literal["csv", "jsonl", "txt"]

__all__ = ["BadRow", "Entry", "Format", "HeaderError", "bounded", "detect", "read_rows"]


def detect(sample: str, columns: Mapping[str, str] | None = None) -> Format:
    """The format of a file that begins with `sample`; one whose `columns` were named has columns."""
    first = first_line(sample)
    if first.startswith("{"):
        return "jsonl"
    if first == "[" or (first.startswith("[") and "{" in first):
        raise HeaderError("this is a JSON array: write one object a line (jq -c '.[]' FILE)")
    return "csv" if columns or csv_rows.has_columns(first) else "txt"


def read_rows(lines: Iterable[str], file_format: Format, columns: Mapping[str, str]) -> Iterator[Entry | BadRow]:
    """Every row of a file, in order.

    Text that was not UTF-8 is expected as lone surrogates. `columns` maps our column names to the file's, or to
    nothing where the file's own shall not be read. Raises `HeaderError` if no column can hold the address.
    """
    match file_format:
        case "csv":
            return csv_rows.read(lines, columns)
        case "jsonl":
            return jsonl_rows.read(lines, columns)
        case "txt":
            if columns:
                raise HeaderError("a plain list has no columns to map (is it --format csv?)")
            return text_rows.read(lines)
