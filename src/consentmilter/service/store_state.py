"""How the store and the journal are, for whoever looks after them. Raises StoreError and its kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from consentmilter.store import marks
from consentmilter.store.check import connection_runner, found_version
from consentmilter.store.condition import Condition
from consentmilter.store.copies import Copied, core_tables, journal_tables
from consentmilter.store.databases import database
from consentmilter.store.rows import moment
from consentmilter.store.schema import CORE, JOURNAL, Tree, ledger, seal

_SEALED_WITHIN = timedelta(minutes=1)
"""After this time an entry that has no place in the chain did not come in by this program, or the sealer is away."""


@dataclass(frozen=True, slots=True)
class LedgerState:
    """How many entries there are, and how many of them without a place in the chain; the first and last by time."""

    entries: int
    unsealed: int
    oldest: datetime | None
    newest: datetime | None


@dataclass(frozen=True, slots=True)
class TreeState:
    """One of the two: where and how it is, its version and the one that this program wants, and its rows by table.

    Of another version, rows and ledger are None.
    """

    tree: str
    place: str
    condition: Condition
    found: str | None
    wanted: str
    rows: Mapping[str, int] | None
    ledger: LedgerState | None
    moved_to: str | None
    unfinished: bool
    needs: tuple[str, ...]


def store_state(url: str, now: datetime) -> TreeState:
    """How the store is."""
    return _state(url, CORE, core_tables(), now)


def journal_state(url: str, now: datetime) -> TreeState:
    """How the journal is."""
    return _state(url, JOURNAL, journal_tables(), now)


@dataclass(frozen=True, slots=True)
class _Held:
    """What a tree holds, of the version that this program knows."""

    rows: Mapping[str, int]
    ledger: LedgerState | None
    marks: Mapping[str, bytes]
    needs: tuple[str, ...]


def _state(url: str, tree: Tree, tables: list[Copied], now: datetime) -> TreeState:
    place = database(url)
    condition = place.condition()

    def job(connection: sa.Connection) -> tuple[str | None, _Held | None]:
        found = found_version(connection_runner(connection), tree, connection.dialect.name)
        return found, _held(connection, tree, tables, now) if found == tree.version else None

    found, held = place.look(job)
    has = f"version {found} of the {tree.name} schema, and not {tree.version}" if found else f"no {tree.name} schema"
    needs = held.needs if held else (f"{place.name} has {has}: run `consentmilter store migrate`",)
    return TreeState(
        tree.name,
        place.name,
        condition,
        found,
        tree.version,
        held.rows if held else None,
        held.ledger if held else None,
        marks.moved_to(held.marks) if held and marks.MOVED in held.marks else None,
        held is not None and marks.UNFINISHED in held.marks,
        (*condition.needs, *needs),
    )


def _held(connection: sa.Connection, tree: Tree, tables: list[Copied], now: datetime) -> _Held:
    rows = {table.name: table.count(connection) for table in tables}
    if tree is not CORE:
        return _Held(rows, None, {}, ())
    state, late = _ledger(connection, now)
    found = marks.read(connection)
    needs = []
    if late:
        needs.append(f"{state.unsealed} entries of the ledger are not sealed: run `consentmilter ledger verify`")
    if marks.UNFINISHED in found:
        needs.append(
            "it is a copy that is not finished: run `consentmilter store copy --final` where it is copied from"
        )
    if marks.MOVED in found:
        needs.append(f"it has moved to {marks.moved_to(found)}: change store.url, and reload")
    return _Held(rows, state, found, tuple(needs))


def _ledger(connection: sa.Connection, now: datetime) -> tuple[LedgerState, bool]:
    """How the ledger is, and whether an entry should have been sealed by now."""
    times = sa.select(sa.func.count(), sa.func.min(ledger.c.at), sa.func.max(ledger.c.at)).select_from(ledger)
    outside = times.where(~sa.exists().where(seal.c.ledger_id == ledger.c.id))
    entries, oldest, newest = connection.execute(times).one()
    unsealed, first, _ = connection.execute(outside).one()
    state = LedgerState(entries, unsealed, _moment(oldest), _moment(newest))
    return state, first is not None and moment(first) < now - _SEALED_WITHIN


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else moment(seconds)
