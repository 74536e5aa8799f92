"""Consents in files: CSV and JSON with a row for each opt-in. Pure; whoever calls opens the file.

`recognise_opt_ins` makes a plan of how to read a file from its beginning, and `read_opt_ins` reads it so. Raises
`HeaderError` where a file does not say who is meant, and nothing else: a row that cannot be used says why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from consentmilter.importers import csv_rows, json_rows
from consentmilter.importers.columns import RowReader
from consentmilter.importers.dialects import COLUMNS, Dialect
from consentmilter.importers.lines import Read, first_line
from consentmilter.importers.recognise import Plan, recognise
from consentmilter.importers.rows import BadRow, Entry, HeaderError, clipped
from consentmilter.importers.values import ValueFault, word
from consentmilter.model import Basis

OURS = ("email", "stream", "basis", "at", "confirmed", "evidence", "form", "ip", "message_id", "text_version")
"""The columns that are read, and the keys of an object."""

_DIALECT = Dialect(
    name="opt-ins",
    title="a list of consents",
    columns={
        "email": COLUMNS["email"],
        "date": ("at", "consentedat", "optedinat", "optintime", *COLUMNS["date"]),
        "evidence": COLUMNS["evidence"],
    },
)
_THEIRS = {"at": "date"}
"""What the readers of rows call a column of ours."""

_SHOWN = 60
_YES = frozenset({"1", "true", "t", "yes", "y"})
_NO = frozenset({"", "0", "false", "f", "no", "n"})


class OptInRow(NamedTuple):
    """One opt-in as written; what the file does not say is None. `line` counts from 1."""

    line: int
    address: str
    stream: str | None
    basis: Basis | None
    at: datetime | None
    confirmed: bool
    proof: Mapping[str, str]
    cells: Sequence[str]


def recognise_opt_ins(sample: str, mapped: Mapping[str, str]) -> Plan:
    """How to read a file that begins with `sample`; `mapped` names columns of the file by ours."""
    first = first_line(sample)[:1]
    shape = {"{": "jsonl", "[": "json"}.get(first, "csv")
    who = {"email": mapped["email"]} if "email" in mapped else {}
    plan = recognise(sample, wanted=shape, columns=who)
    if plan.shape == "csv":
        _places(plan.names, mapped)
        return replace(plan, columns=mapped)
    return replace(plan, names=tuple(mapped.get(name, name) for name in OURS), columns=mapped)


def read_opt_ins(read: Read, plan: Plan) -> Iterator[OptInRow | BadRow]:
    """Every row of a file, in order; `read` is as for `read_rows`."""
    columns = {_THEIRS.get(name, name): theirs for name, theirs in plan.columns.items()}
    columns = {name: theirs for name, theirs in columns.items() if name in _DIALECT.columns}
    match plan.shape:
        case "csv":
            reader = RowReader(_DIALECT, plan.names, columns)
            rows = csv_rows.read(read, plan.delimiter, plan.names, reader, header=plan.header)
            places = _places(plan.names, plan.columns)
        case _:
            objects = json_rows.ObjectReader(_DIALECT, plan.names, columns)
            rows = (json_rows.read_array if plan.shape == "json" else json_rows.read_lines)(read, objects)
            places = {name: at for at, name in enumerate(OURS)}
    for row in rows:
        match row:
            case Entry():
                yield _opt_in(row, places)
            case BadRow(column="date"):
                yield row._replace(column="at")
            case BadRow():
                yield row


def _places(names: Sequence[str], mapped: Mapping[str, str]) -> dict[str, int]:
    """Where the columns are that only consents have."""
    words = [word(name) for name in names]
    found = {}
    for ours in OURS:
        wanted = word(mapped.get(ours, ours))
        if wanted in words:
            found[ours] = words.index(wanted)
        elif ours in mapped:
            raise HeaderError(f"there is no column {mapped[ours]!r}; the file has: {', '.join(names)}")
    return found


def _opt_in(entry: Entry, places: Mapping[str, int]) -> OptInRow | BadRow:
    cells = {ours: entry.cells[at].strip() for ours, at in places.items() if at < len(entry.cells)}
    proof = {name: cells[name] for name in ("form", "ip", "message_id", "text_version") if cells.get(name)}
    if entry.evidence:
        proof["evidence"] = entry.evidence
    column = ""
    try:
        read: dict[str, object] = {}
        for column, reading in _READINGS.items():
            read[column] = reading(cells.get(column, ""))
    except ValueFault as fault:
        return BadRow(entry.line, column, clipped(str(fault)), entry.cells)
    basis, confirmed = read["basis"], read["confirmed"]
    assert basis is None or isinstance(basis, Basis)
    stream = cells.get("stream") or None
    return OptInRow(entry.line, entry.address, stream, basis, entry.at, bool(confirmed), proof, entry.cells)


def _basis(text: str) -> Basis | None:
    if not text:
        return None
    try:
        return Basis(text.lower().replace("_", "-").replace(" ", "-"))
    except ValueError:
        raise ValueFault(f"unknown basis {text[:_SHOWN]!r} (use {', '.join(Basis)})") from None


def _confirmed(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        raise ValueFault(f"{text[:_SHOWN]!r} is neither yes nor no")
    return text.lower() in _YES


_READINGS: Mapping[str, Callable[[str], object]] = {"basis": _basis, "confirmed": _confirmed}
