"""Plain lists: one address or domain a line, `#` begins a comment line."""

from collections.abc import Iterable, Iterator

from consentmilter.importers.rows import BadRow, Entry, entry


def read(lines: Iterable[str]) -> Iterator[Entry | BadRow]:
    """Every line that is neither empty nor a comment."""
    for number, line in enumerate(lines, 1):
        text = line.removeprefix("\ufeff").strip()
        if text and not text.startswith("#"):
            yield entry(number, {"email": text})
