"""Plain lists: one address or domain a line, `#` begins a comment line."""

from collections.abc import Iterable, Iterator

from consentmilter.importers.lines import TOO_LONG, is_blank, numbered, too_long
from consentmilter.importers.rows import BadRow, Entry, entry


def read(lines: Iterable[str]) -> Iterator[Entry | BadRow]:
    """Every line that is neither empty nor a comment."""
    for number, line in numbered(lines):
        if too_long(line):
            yield BadRow(number, "-", TOO_LONG)
        elif not is_blank(line):
            yield entry(number, {"email": line})
