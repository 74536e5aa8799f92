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
    recorded, since = values.same["recorded"], told["since"]
    if isinstance(since, tuple):
        created: object = [recorded if time is None else time for time in since]
    else:
        created = recorded if since is None else since
    own = {name: told[name] for name in ("scope", "reason", "origin", "batch", "expires", _LAST[values.table])}
    columns = {_KEYS[values.table]: values.keys, **own, "asserted_again": False, "created": created}
    return _copy({name: column for name, column in columns.items() if column is not None})


def staged(values: Values) -> Copy:
    """What the rows say themselves."""
    return _copy({"key": values.keys, **values.by_row})


def _copy(columns: Mapping[str, object]) -> Copy:
    """The rows with these columns; what is the same in all of them comes first, since it is written down once."""
    by_row = {name: column for name, column in columns.items() if isinstance(column, (tuple, list))}
    same = {name: column for name, column in columns.items() if name not in by_row}
    keys, *others = by_row.values()
    first, last = keys[0], keys[-1]
    head = len(columns).to_bytes(2) + b"".join(map(_cell, same.values()))
    lengths = set(map(len, keys))
    if len(lengths) == 1:  # but for lists of several kinds of digests
        head += lengths.pop().to_bytes(4)
    else:
        keys = _behind_lengths(keys)
    pieces = [head] * ((2 + len(others)) * len(keys))
    for place, cells in enumerate([keys, *map(_cells, others)], 1):
        pieces[place :: 2 + len(others)] = cells
    return Copy(len(keys), first, last, (*same, *by_row), b"".join([_BEGINNING, *pieces, _END]))


def _cells(column: Sequence[Any]) -> list[bytes]:
    if isinstance(column[0], str) and None not in column:
        return _behind_lengths([text.encode() for text in column])
    known = {cell: _cell(cell) for cell in set(column)}  # times are the same days again and again
    return [known[cell] for cell in column]


def _behind_lengths(cells: Sequence[bytes]) -> list[bytes]:
    lengths = {length: length.to_bytes(4) for length in set(map(len, cells))}
    return [lengths[len(cell)] + cell for cell in cells]


def _cell(value: object) -> bytes:
    match value:
        case None:
            return _NULL
        case bool():
            octets = value.to_bytes()
        case int():
            octets = value.to_bytes(8, signed=True)
        case str():
            octets = value.encode()
        case bytes():
            octets = value
        case _:
            raise TypeError(f"no column holds {value!r}")
    return len(octets).to_bytes(4) + octets
