"""The formats of an export: rows of the list in, lines out, with a count of what a format leaves out or cannot say.

Rows come in key order, all rows of a subject in one call. Pure: the time is passed in.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import groupby

from consentmilter.exporters import cells, jsonl
from consentmilter.exporters.dialects import DIALECTS, Dialect
from consentmilter.exporters.rows import Hashed, is_address, stamp
from consentmilter.model import ALL, REASON_RANK, Suppression

CSV_COLUMNS = ("email", "scope", "reason", "created", "expires", "origin", "batch", "asserted_again")


class Left(StrEnum):
    """Why an entry is not in the file."""

    NO_ADDRESS = "no_address"
    DOMAIN = "domain"
    HASH = "hash"
    EXPIRED = "expired"
    UNWRITABLE = "unwritable"


class Lost(StrEnum):
    """What a line does not say of the entry that it stands for."""

    REASON = "reason"
    SCOPE = "scope"
    EXPIRES = "expires"


@dataclass(slots=True)
class Tally:
    """How many entries were left out, by the cause, and of how many lines something was lost."""

    left: Counter[Left] = field(default_factory=Counter)
    lost: Counter[Lost] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a format needs to know besides the rows.

    `key` says which subject key is in use; `scoped` that all is of one scope or stream, so that no scope is lost.
    """

    now: datetime
    key: str
    scoped: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """What writes the entries of people and domains, and those of hash lists; `sort` is for lines that are digests."""

    people: Callable[[Sequence[Suppression], Setting, Tally], Iterator[str]]
    hashes: Callable[[Sequence[Hashed], Setting, Tally], Iterator[str]]
    header: str = ""
    sort: bool = False


def _no_hashes(rows: Sequence[Hashed], _setting: Setting, tally: Tally) -> Iterator[str]:
    tally.left[Left.HASH] += len(rows)
    yield from ()


def _csv(rows: Sequence[Suppression], _setting: Setting, tally: Tally) -> Iterator[str]:
    for row in rows:
        if row.address is None:
            tally.left[Left.NO_ADDRESS] += 1
            continue
        expires = "" if row.expires is None else stamp(row.expires)
        again = "true" if row.asserted_again else "false"
        found = (row.address, row.scope, row.reason, stamp(row.created), expires, row.origin, row.batch or "", again)
        yield cells.line(map(cells.guarded, found))


def _jsonl(rows: Sequence[Suppression | Hashed], setting: Setting, _tally: Tally) -> Iterator[str]:
    return (jsonl.entry(row, setting.key) for row in rows)


def _addresses(dialect: Dialect, rows: Sequence[Suppression], setting: Setting, tally: Tally) -> Iterator[str]:
    """One line for each address, with its strictest reason."""
    for _, group in groupby(rows, key=lambda row: row.subject):
        everything = list(group)
        holding = [row for row in everything if row.holds(setting.now)]
        tally.left[Left.EXPIRED] += len(everything) - len(holding)
        # A person's address may have been filled in beside one entry and not yet beside another.
        address = next((row.address for row in everything if row.address is not None), None)
        cause = _cause(dialect, address)
        if cause is not None:
            tally.left[cause] += len(holding)
        elif holding and address is not None:
            row = min(holding, key=lambda row: REASON_RANK[row.reason])
            tally.lost.update(_lost(dialect, row, holding, setting))
            yield dialect.line(address, row)


def _cause(dialect: Dialect, address: str | None) -> Left | None:
    """Why the dialect cannot have this person."""
    if address is None:
        return Left.NO_ADDRESS
    if not dialect.domains and not is_address(address):
        return Left.DOMAIN
    return None if dialect.holds(address) else Left.UNWRITABLE


def _lost(dialect: Dialect, row: Suppression, holding: Sequence[Suppression], setting: Setting) -> Iterator[Lost]:
    if dialect.says is not None and row.reason not in dialect.says:
        yield Lost.REASON
    if not setting.scoped and all(row.scope != ALL for row in holding):
        yield Lost.SCOPE
    if all(row.expires is not None for row in holding):
        yield Lost.EXPIRES


def _digests(octets: int, rows: Sequence[Hashed], setting: Setting, tally: Tally) -> Iterator[str]:
    """Partners' digests of one algorithm."""
    for row in rows:
        if len(row.digest) != octets:
            tally.left[Left.HASH] += 1
        elif not row.holds(setting.now):
            tally.left[Left.EXPIRED] += 1
        else:
            yield f"{row.digest.hex()}\n"


def _listed(dialect: Dialect) -> Format:
    hashes = _no_hashes if dialect.digest is None else partial(_digests, dialect.digest)
    return Format(partial(_addresses, dialect), hashes, dialect.header, sort=dialect.digest is not None)


FORMATS: Mapping[str, Format] = {
    "csv": Format(_csv, _no_hashes, cells.line(CSV_COLUMNS)),
    "jsonl": Format(_jsonl, _jsonl),
    **{name: _listed(dialect) for name, dialect in DIALECTS.items()},
}
