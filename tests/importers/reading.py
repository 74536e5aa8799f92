"""Read a text as a suppression file, and sort what comes of it."""

import io

from consentmilter.importers import BadRow, Entry, Format, bounded, read_rows


def rows(text: str, file_format: Format, **columns: str) -> list[Entry | BadRow]:
    """Every row, read as from a file."""
    file = io.TextIOWrapper(io.BytesIO(text.encode("utf-8", "surrogateescape")), "utf-8", "surrogateescape", newline="")
    return list(read_rows(bounded(file.readline), file_format, columns))


def good(found: list[Entry | BadRow]) -> list[tuple[int, str]]:
    """Line and address of the entries."""
    return [(row.line, row.address) for row in found if isinstance(row, Entry)]


def bad(found: list[Entry | BadRow]) -> list[tuple[int, str]]:
    """Line and column of the bad rows."""
    return [(row.line, row.column) for row in found if isinstance(row, BadRow)]


def causes(found: list[Entry | BadRow]) -> list[str]:
    """Why the bad rows are bad."""
    return [row.cause for row in found if isinstance(row, BadRow)]
