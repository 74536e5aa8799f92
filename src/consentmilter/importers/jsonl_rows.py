"""JSON lines: one object a line, with the address and whatever else is known."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from consentmilter.importers.lines import TOO_LONG, numbered, too_long
from consentmilter.importers.rows import BadRow, Entry, HeaderError, clipped, columns_of, entry


def read(lines: Iterable[str], columns: Mapping[str, str]) -> Iterator[Entry | BadRow]:
    """Every object; a line that is none is a bad row."""
    for number, line in numbered(lines):
        if too_long(line):
            yield BadRow(number, "-", TOO_LONG)
        elif text := line.strip():
            yield _row(number, text, columns)


def _row(number: int, text: str, columns: Mapping[str, str]) -> Entry | BadRow:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BadRow(number, "-", clipped(f"not JSON: {error}"))
    if not isinstance(data, dict):
        return BadRow(number, "-", "not a JSON object")
    try:
        found = columns_of(list(data), _present(columns, data))
    except HeaderError as error:
        return BadRow(number, "email", str(error))
    values = {ours: data[name] for ours, name in found.items()}
    for ours, value in values.items():
        if isinstance(value, bool | list | dict):
            return BadRow(number, ours, clipped(f"neither text nor a number: {json.dumps(value)}"))
    return entry(number, {ours: "" if value is None else str(value) for ours, value in values.items()})


def _present(columns: Mapping[str, str], data: Mapping[str, Any]) -> dict[str, str]:
    """The columns, less those that this object lacks: not every object has every key, but each has an address."""
    names = {name.strip().lower() for name in data}
    return {ours: name if ours == "email" or name.strip().lower() in names else "" for ours, name in columns.items()}
