"""`consentmilter explain`: everything that holds for a person, and how it came about."""

import asyncio
from collections.abc import Iterator
from typing import Any

import typer

from consentmilter.cli.check import Person
from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.site import Command, now
from consentmilter.cli.verdicts import decision_data, decision_line, suppression_data
from consentmilter.cli.writing import store
from consentmilter.ledger import Entry
from consentmilter.model import Suppression
from consentmilter.policy.decide import decide
from consentmilter.service.suppressions import get_batch, held, history
from consentmilter.store.batches import Batch
from consentmilter.subjects import Subject


def explain(context: typer.Context, subject: Person, *, as_json: AsJson = False) -> None:
    """Show everything that holds for a person.

    Each suppression, of the person and of the domains around it; the verdict for each stream; the imports that named
    the person; and what the ledger tells.

    Example: consentmilter explain reader@example.net
    """
    command: Command = context.obj
    about = command.subjects_about(subject)
    names = {each.key: each.text for each in about}
    rows, batches, entries = asyncio.run(_ask(command, about))
    at = now()
    decisions = [(each, decide(each, rows, at)) for each in command.streams(None)]
    data = {
        "subject": command.subject(subject).text,
        "key": about[0].key.hex(),
        "suppressions": [suppression_data(row, names) | {"holds": row.holds(at)} for row in rows],
        "streams": [decision_data(each, decision) for each, decision in decisions],
        "imports": [_batch(batch) for batch in batches],
        "ledger": [_entry(entry, names) for entry in entries],
    }
    if as_json:
        put_json(data)
    else:
        put(_lines(data, [decision_line(each, decision) for each, decision in decisions]))


async def _ask(command: Command, about: list[Subject]) -> tuple[list[Suppression], list[Batch], list[Entry]]:
    keys = [each.key for each in about]
    async with store(command) as opened:
        rows, entries = await held(opened, keys), await history(opened, keys)
        named = dict.fromkeys([row.batch for row in rows] + [entry.batch for entry in entries])
        batches = [await get_batch(opened, batch) for batch in named if batch]
    rows.sort(key=lambda row: keys.index(row.subject))
    return rows, [batch for batch in batches if batch], entries


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "batch": batch.id,
        "file": batch.file,
        "actor": batch.actor,
        "started": batch.started.isoformat(),
        "finished": batch.finished.isoformat() if batch.finished else None,
    }


def _entry(entry: Entry, names: dict[bytes, str]) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "action": entry.action,
        "subject": names[entry.subject] if entry.subject else None,
        "scope": entry.scope,
        "reason": entry.reason,
        "actor": entry.actor,
        "source": entry.source,
        "batch": entry.batch,
        "evidence": entry.evidence.data.get("evidence") if entry.evidence else None,
    }


def _lines(data: dict[str, Any], verdicts: list[str]) -> Iterator[str]:
    yield f"{printable(data['subject'])}  (key {data['key']})"
    yield ""
    yield "suppressions:" if data["suppressions"] else "no suppressions"
    yield from (f"  {_suppression_line(row)}" for row in data["suppressions"])
    yield from ("", "streams:")
    yield from (f"  {line}" for line in verdicts)
    if data["imports"]:
        yield from ("", "imports:")
        yield from (f"  {_batch_line(batch)}" for batch in data["imports"])
    if data["ledger"]:
        yield from ("", "ledger:")
        yield from (f"  {_entry_line(entry)}" for entry in data["ledger"])


def _suppression_line(row: dict[str, Any]) -> str:
    until = f", {'until' if row['holds'] else 'expired'} {_minute(row['expires'])}" if row["expires"] else ""
    by = f"import {row['batch']}" if row["batch"] else row["origin"]
    again = ", asserted again" if row["asserted_again"] else ""
    since = f"since {row['since'][:10]} by {printable(by)}"
    return f"{printable(row['subject'])}: {row['reason']} in {row['scope']} {since}{until}{again}"


def _batch_line(batch: dict[str, Any]) -> str:
    unfinished = "" if batch["finished"] else ", not finished"
    who = f"by {printable(batch['actor'])} on {_minute(batch['started'])}"
    return f"{batch['batch']}: {printable(batch['file'])} {who}{unfinished}"


def _entry_line(entry: dict[str, Any]) -> str:
    who = f"{entry['source']}:{entry['actor']}" if entry["actor"] else entry["source"]
    evidence = f": {printable(entry['evidence'])}" if entry["evidence"] else ""
    what = f"{entry['action']} {printable(entry['subject'] or '')}: {entry['reason']} in {entry['scope']}"
    return f"{_minute(entry['at'])} {what} by {printable(who)}{evidence}"


def _minute(time: str) -> str:
    """A time in UTC, as people read it."""
    return f"{time[:16].replace('T', ' ')} UTC"
