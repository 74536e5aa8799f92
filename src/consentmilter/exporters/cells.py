"""Cells of CSV: none of them begins a formula in a spreadsheet, and each can be read back as it was.

A spreadsheet takes a cell that begins with = + - @, a tab or a carriage return for a formula (OWASP, CSV injection).
Such a cell gets an apostrophe; so does one that has apostrophes before that, for only then is the way back unambiguous.
"""

import re
from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r]")

_PLAIN = re.compile(r"[^\s\",;]*")
"""What needs no quotes, whichever separator the spreadsheet of a country expects."""


def guarded(cell: str) -> str:
    """The cell as text, for a spreadsheet."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """The cell as it was before `guarded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def line(cells: Iterable[str]) -> str:
    """One line of CSV (RFC 4180, but for the line end)."""
    return ",".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    if _PLAIN.fullmatch(cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'
