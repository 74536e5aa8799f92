"""JSON lines: one object a line, with the address and whatever else is known."""

import json
from collections.abc import Iterable, Iterator, Mapping

from consentmilter.importers.rows import BadRow, Entry, HeaderError, columns_of, entry


def read(lines: Iterable[str], columns: Mapping[str, str]) -> Iterator[Entry | BadRow]:
    """Every object; a line that is none is a bad row."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").strip()
        if text:
            yield _row(number, text, columns)


def _row(number: int, text: str, columns: Mapping[str, str]) -> Entry | BadRow:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        return BadRow(number, "-", f"not JSON: {error}"[:200])
    if not isinstance(data, dict):
        return BadRow(number, "-", "not a JSON object")
    try:
        found = columns_of(list(data), columns)
    except HeaderError as error:
        return BadRow(number, "email", str(error))
    values = {ours: data[name] for ours, name in found.items()}
    return entry(number, {ours: "" if value is None else str(value) for ours, value in values.items()})
