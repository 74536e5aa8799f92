"""Rows in the binary format of COPY (PostgreSQL's manual on COPY, "Binary Format").

Of text, the server would have to read numbers and octets, and who writes it to look for what must be escaped. Pure, and
without the database's modules, as `consentmilter.store.said` is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consentmilter.store.values import Values

_BEGINNING = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"

_KEYS = {"suppression": "subject", "hash_suppression": "digest"}
_LAST = {"suppression": "address", "hash_suppression": "list"}
"""The columns that each of the tables has for itself."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What a COPY takes in: how many rows, their first and last key, the columns in its order, and the octets."""

    count: int
    first: bytes
    last: bytes
    columns: Sequence[str]
    octets: bytes


def made(values: Values) -> Copy:
    """The rows as their table has them when they are made; of columns that hold nothing, none."""
    told = {**values.same, **values.by_row}
    recorded, since = told["recorded"], told["since"]
    columns = {name: told[name] for name in ("scope", "reason", "origin", "batch", "expires", _LAST[values.table])}
    columns |= {"asserted_again": False, "created": recorded if since is None else since}
    held = {name: column for name, column in columns.items() if column is not None}
    return _copy(_KEYS[values.table], values.keys, held, missing={"created": _cell(recorded)})


def staged(values: Values) -> Copy:
    """What the rows say themselves."""
    return _copy("key", values.keys, values.by_row)


def _copy(
    key: str, keys: Sequence[bytes], columns: Mapping[str, object], *, missing: Mapping[str, bytes] | None = None
) -> Copy:
    """The rows with these columns, in some of which another cell stands for what is missing.

    What is the same in all rows comes first, so that it is written down once.
    """
    by_row = {name: column for name, column in columns.items() if isinstance(column, tuple)}
    same = {name: column for name, column in columns.items() if name not in by_row}
    head = (len(columns) + 1).to_bytes(2) + b"".join(map(_cell, same.values()))
    cells = [_cells(column, (missing or {}).get(name, _NULL)) for name, column in by_row.items()]
    lengths = set(map(len, keys))
    if len(lengths) == 1:  # all but lists of several kinds of digests
        head += lengths.pop().to_bytes(4)
        cells = [keys, *cells]
    else:
        cells = [_behind_lengths(keys), *cells]
    pieces = [head] * ((1 + len(cells)) * len(keys))
    for place, column in enumerate(cells, 1):
        pieces[place :: 1 + len(cells)] = column
    return Copy(len(keys), keys[0], keys[-1], (*same, key, *by_row), b"".join([_BEGINNING, *pieces, _END]))


def _cells(column: Sequence[Any], missing: bytes) -> Sequence[bytes]:
    if isinstance(column[0], str):
        try:
            return _behind_lengths("\0".join(column).encode().split(b"\0"))  # which no text of the server's can hold
        except TypeError:
            pass  # something is missing
    known = {cell: missing if cell is None else _cell(cell) for cell in set(column)}  # the same days again and again
    return [known[cell] for cell in column]


def _behind_lengths(cells: Sequence[bytes]) -> Sequence[bytes]:
    lengths = {length: length.to_bytes(4) for length in set(map(len, cells))}
    return [lengths[len(cell)] + cell for cell in cells]


def _cell(value: object) -> bytes:
    match value:
        case bool():
            octets = value.to_bytes()
        case int():
            octets = value.to_bytes(8, signed=True)
        case str():
            octets = value.encode()
        case _:
            raise TypeError(f"no column holds {value!r}")
    return len(octets).to_bytes(4) + octets
