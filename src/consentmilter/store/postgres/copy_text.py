"""Rows in the text format of COPY (PostgreSQL's manual on COPY, "Text Format"), some lines at a time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from consentmilter.store.inserting import Values

_SPECIAL = "\\\t\n\r"
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
"""What means something there."""

_NULL = r"\N"

AT_ONCE = 1000
"""The server takes in so many rows while the next are written down."""


def made(values: Values) -> dict[str, Sequence[object] | str]:
    """The columns of the rows as their table has them when they are made; of those that hold nothing, none."""
    recorded = values.same["recorded"]
    found: dict[str, Sequence[object] | str] = {values.table.c[0].name: values.keys, "asserted_again": "f"}
    for name in (column.name for column in values.table.columns):
        if name in found or name == "repeated":
            continue
        said = "since" if name == "created" else name
        if said in values.by_row:
            cells = values.by_row[said]
            found[name] = [recorded if cell is None else cell for cell in cells] if name == "created" else cells
        elif (cell := recorded if name == "created" and values.same[said] is None else values.same[said]) is not None:
            (found[name],) = _cells([cell])
    return found


def lines(columns: Iterable[Sequence[object] | str]) -> Iterator[str]:
    """The lines of these columns, the first of which has keys; some are the same text in all lines."""
    columns = list(columns)
    line = "\t".join(column.replace("%", "%%") if isinstance(column, str) else "%s" for column in columns) + "\n"
    keys, *others = (column for column in columns if not isinstance(column, str))
    for start in range(0, len(keys), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        cells = (_keys(cast("Sequence[bytes]", keys[some])), *(_cells(column[some]) for column in others))
        yield "".join(map(line.__mod__, zip(*cells, strict=True)))


def _keys(keys: Sequence[bytes]) -> list[str]:
    return [rf"\\x{key.hex()}" for key in keys]


def _cells(column: Sequence[object]) -> list[str]:
    """Texts or numbers in the text format of COPY."""
    texts = [cell if isinstance(cell, str) else str(cell) for cell in column]
    together = "".join(texts)
    if any(special in together for special in _SPECIAL):  # one look at all, since hardly any has something
        texts = [text.translate(_ESCAPED) for text in texts]
    if None in column:
        return [_NULL if cell is None else text for cell, text in zip(column, texts, strict=True)]
    return texts
