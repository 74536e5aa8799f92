"""`consentmilter store status`: where the store is, how it is, and what it holds."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import typer

from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.site import Command, now
from consentmilter.service.places import journal_url
from consentmilter.service.store_state import LedgerState, TreeState, journal_state, store_state
from consentmilter.store.condition import Condition


def status(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Show where the store and the journal are, and how they are.

    Exit code 1 if something needs to be mended, which is then said.

    Example: consentmilter store status
    """
    command: Command = context.obj
    states = [store_state(command.config.store.url, now()), journal_state(journal_url(command.config), now())]
    needs = list(dict.fromkeys(need for state in states for need in state.needs))
    if as_json:
        put_json({"store": _data(states[0]), "journal": _data(states[1]), "needs": needs})
    else:
        put([*_lines("store", states[0]), *_lines("journal", states[1]), *(f"needs: {need}" for need in needs)])
    if needs:
        raise typer.Exit(1)


def mebioctets(octets: int) -> str:
    """A size as somebody reads it."""
    return f"{octets / 2**20:.1f} MiB"


def _data(state: TreeState) -> dict[str, Any]:
    condition, ledger = state.condition, state.ledger
    return {
        "kind": condition.kind,
        "place": state.place,
        "server": condition.version,
        "schema": state.found,
        "wanted": state.wanted,
        "octets": condition.octets,
        "wal_octets": condition.wal_octets,
        "replicas": None
        if condition.replicas is None
        else [{"name": each.name, "state": each.state, "sync": each.sync} for each in condition.replicas],
        "rows": None if state.rows is None else dict(state.rows),
        "ledger": ledger
        and {
            "entries": ledger.entries,
            "unsealed": ledger.unsealed,
            "oldest": _time(ledger.oldest),
            "newest": _time(ledger.newest),
        },
        "moved_to": state.moved_to,
        "unfinished": state.unfinished,
    }


def _lines(name: str, state: TreeState) -> Iterator[str]:
    condition = state.condition
    yield f"{name}: {condition.kind} {condition.version}, {printable(state.place)}"
    yield f"  schema: {state.found or 'none'}, wanted {state.wanted}"
    yield f"  size: {_size(condition)}"
    if condition.replicas is not None:
        shown = (f"{printable(each.name)} ({each.state or '?'}, {each.sync or '?'})" for each in condition.replicas)
        yield f"  standbys: {', '.join(shown) or 'none'}"
    if state.ledger:
        yield f"  ledger: {_span(state.ledger)}"
    if state.rows is not None:
        held = ", ".join(f"{table} {rows}" for table, rows in state.rows.items() if rows)
        yield f"  rows: {held or 'none'}"


def _size(condition: Condition) -> str:
    wal = "" if condition.wal_octets is None else f", and {mebioctets(condition.wal_octets)} in the WAL"
    return f"{mebioctets(condition.octets)}{wal}"


def _span(ledger: LedgerState) -> str:
    if ledger.oldest is None or ledger.newest is None:
        return "no entries"
    times = f"{ledger.oldest:%Y-%m-%d %H:%M:%S} to {ledger.newest:%Y-%m-%d %H:%M:%S} UTC"
    return f"{ledger.entries} entries, of {times}, {ledger.unsealed} not sealed"


def _time(time: datetime | None) -> str | None:
    return time.isoformat() if time else None
