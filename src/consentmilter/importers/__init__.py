"""Suppression files as rows: text in, entries and bad rows out. Pure; whoever calls opens the file.

`read_rows` picks the reader for a format; `detect` finds the format from the first lines.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from consentmilter.importers import csv_rows, jsonl_rows, text_rows
from consentmilter.importers.rows import BadRow, Entry, HeaderError

Format = Literal["csv", "jsonl", "txt"]

__all__ = ["BadRow", "Entry", "Format", "HeaderError", "detect", "read_rows"]


def detect(sample: str) -> Format:
    """The format of a file that begins with `sample`."""
    lines = [line for line in sample.removeprefix("\ufeff").splitlines() if line.strip()]
    first = next((line for line in lines if not line.lstrip().startswith("#")), "")
    if first.lstrip().startswith("{"):
        return "jsonl"
    if csv_rows.is_header(first):
        return "csv"
    return "txt"


def read_rows(lines: Iterable[str], file_format: Format, columns: Mapping[str, str]) -> Iterator[Entry | BadRow]:
    """Every row of a file, in order.

    Text that was not UTF-8 is expected as lone surrogates. `columns` maps our column names to the file's (CSV and JSON
    lines). Raises `HeaderError` if no column can hold the address.
    """
    match file_format:
        case "csv":
            return csv_rows.read(lines, columns)
        case "jsonl":
            return jsonl_rows.read(lines, columns)
        case "txt":
            return text_rows.read(lines)
