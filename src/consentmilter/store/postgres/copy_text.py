"""Rows in the text format of COPY (PostgreSQL's manual on COPY, "Text Format"), each with its line end."""

import re
from collections.abc import Iterator, Sequence

from consentmilter.store.inserting import Values

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""What means something there."""

_NULL = r"\N"

_MADE = {"asserted_again": "f", "repeated": _NULL}
"""What a row says that was made a moment ago, beside what the file says."""


def said(values: Values) -> Iterator[str]:
    """What the rows say: the key, and what is not the same for all."""
    return _lines([_keys(values), *map(_cells, values.by_row.values())])


def made(values: Values) -> Iterator[str]:
    """The rows as their table has them when they are made."""
    recorded = values.same["recorded"]
    columns: list[list[str] | str] = [_keys(values)]
    for column in list(values.table.columns)[1:]:
        name = "since" if column.name == "created" else column.name
        if name in _MADE:
            columns.append(_MADE[name])
        elif name in values.by_row:
            cells = values.by_row[name]
            columns.append(_cells([recorded if cell is None else cell for cell in cells] if name == "since" else cells))
        else:
            cell = values.same[name]
            columns += _cells([recorded if name == "since" and cell is None else cell])
    return _lines(columns)


def _lines(columns: Sequence[list[str] | str]) -> Iterator[str]:
    """The lines of these columns, of which some are the same text in all of them."""
    line = "\t".join("%s" if isinstance(column, list) else column.replace("%", "%%") for column in columns) + "\n"
    return map(line.__mod__, zip(*(column for column in columns if isinstance(column, list)), strict=True))


def _keys(values: Values) -> list[str]:
    return [rf"\\x{key.hex()}" for key in values.keys]


def _cells(column: Sequence[object]) -> list[str]:
    """A column in the text format of COPY."""
    texts = ["" if cell is None else str(cell) for cell in column]
    if _SPECIAL.search("".join(texts)):  # one look at all, since hardly any has something
        texts = [text.translate(_ESCAPED) for text in texts]
    if None in column:
        return [_NULL if cell is None else text for cell, text in zip(column, texts, strict=True)]
    return texts
