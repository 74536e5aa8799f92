"""Rows in the text format of COPY (PostgreSQL's manual on COPY, "Text Format"), some lines at a time."""

import re
from collections.abc import Iterator, Sequence
from typing import cast

from consentmilter.store.inserting import Values

_SPECIAL = re.compile(r"[\\\t\n\r]")
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""What means something there."""

_NULL = r"\N"

AT_ONCE = 1000
"""The server takes in so many rows while the next are written down."""

_MADE = {"asserted_again": "f", "repeated": _NULL}
"""What a row says that was made a moment ago, beside what the file says."""


def said(values: Values) -> Iterator[str]:
    """What the rows say: the key, and what is not the same for all."""
    return _texts([values.keys, *values.by_row.values()])


def made(values: Values) -> Iterator[str]:
    """The rows as their table has them when they are made."""
    recorded = values.same["recorded"]
    columns: list[Sequence[object] | str] = [values.keys]
    for column in list(values.table.columns)[1:]:
        name = "since" if column.name == "created" else column.name
        if name in _MADE:
            columns.append(_MADE[name])
        elif name in values.by_row:
            cells = values.by_row[name]
            columns.append([recorded if cell is None else cell for cell in cells] if name == "since" else cells)
        else:
            cell = values.same[name]
            columns += _cells([recorded if name == "since" and cell is None else cell])
    return _texts(columns)


def _texts(columns: Sequence[Sequence[object] | str]) -> Iterator[str]:
    """The lines of these columns, the first of which has keys; some are the same text in all lines."""
    line = "\t".join(column.replace("%", "%%") if isinstance(column, str) else "%s" for column in columns) + "\n"
    keys, *others = (column for column in columns if not isinstance(column, str))
    for start in range(0, len(keys), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        cells = (_keys(cast("Sequence[bytes]", keys[some])), *(_cells(column[some]) for column in others))
        yield "".join(map(line.__mod__, zip(*cells, strict=True)))


def _keys(keys: Sequence[bytes]) -> list[str]:
    return [rf"\\x{key.hex()}" for key in keys]


def _cells(column: Sequence[object]) -> list[str]:
    """A column in the text format of COPY."""
    texts = list(map(str, column))
    if _SPECIAL.search("".join(texts)):  # one look at all, since hardly any has something
        texts = [text.translate(_ESCAPED) for text in texts]
    return (
        [_NULL if cell is None else text for cell, text in zip(column, texts, strict=True)] if None in column else texts
    )
