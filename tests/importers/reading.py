"""Read a text as a suppression file, and sort what comes of it."""

import io

from consentmilter.importers import BadRow, Entry, Keyed, Row, read_rows, recognise


def rows(text: str, file_format: str | None = None, **columns: str) -> list[Row]:
    """Every row, read as from a file, without the cells that it keeps."""
    plan = recognise(lines(text).read(1 << 18), wanted=file_format, columns=columns)
    return [bare(row) for row in read_rows(lines(text).read, plan)]


def lines(text: str) -> io.TextIOWrapper:
    """The text as a file gives it."""
    octets = io.BytesIO(text.encode("utf-8", "surrogateescape"))
    return io.TextIOWrapper(octets, "utf-8", "surrogateescape")


def bare(row: Row) -> Row:
    """The row without the cells that it was read from."""
    return row._replace(cells=()) if isinstance(row, Entry | Keyed | BadRow) else row


def good(found: list[Row]) -> list[tuple[int, str]]:
    """Line and address of the entries."""
    return [(row.line, row.address) for row in found if isinstance(row, Entry)]


def bad(found: list[Row]) -> list[tuple[int, str]]:
    """Line and column of the bad rows."""
    return [(row.line, row.column) for row in found if isinstance(row, BadRow)]


def causes(found: list[Row]) -> list[str]:
    """Why the bad rows are bad."""
    return [row.cause for row in found if isinstance(row, BadRow)]
