"""`consentmilter explain`: everything that holds for a person, and how it came about."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import typer

from consentmilter.cli.batches import batch_data
from consentmilter.cli.check import Person
from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.past import At, mail_data, mail_line, notes, past_time
from consentmilter.cli.site import Command, now
from consentmilter.cli.verdicts import consent_data, consent_line, decision_data, decision_line, suppression_data
from consentmilter.cli.writing import store
from consentmilter.ledger import Entry
from consentmilter.policy.facts import Facts
from consentmilter.service.consents import facts_about
from consentmilter.service.places import journal_url
from consentmilter.service.question import question
from consentmilter.service.suppressions import get_batch, history
from consentmilter.service.timeline import mail_around, past
from consentmilter.store.batches import Batch
from consentmilter.store.journal import JournalRow


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of a person; `mail` and `notes` are there of a time that is past."""

    facts: Facts
    imports: list[Batch]
    entries: list[Entry]
    mail: list[JournalRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def explain(
    context: typer.Context,
    subject: Person,
    *,
    at: At = None,
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="Ask for this stream only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show everything that holds for a person, or held at a time.

    Each suppression, of the person and of the domains around it; each consent; the verdict for each stream; the
    imports that named the person; and what the ledger tells. With --at all of it as it was then, and what became of
    mail to the person within a day before and after.

    Example: consentmilter explain reader@example.net
    """
    command: Command = context.obj
    asked, streams = question(subject, command.ring, command.site.foldings), command.streams(stream)
    names = asked.names
    then = past_time(at) if at is not None else None
    found = asyncio.run(_ask(command, asked.keys) if then is None else _ask_past(command, asked.keys, then, stream))
    time = then or now()
    decisions = list(zip(streams, asked.decide(streams, found.facts, time), strict=True))
    data = {
        "subject": asked.subject.text,
        "key": asked.subject.key.hex(),
        "at": then.isoformat() if then else None,
        "suppressions": [suppression_data(row, names) | {"holds": row.holds(time)} for row in found.facts.suppressions],
        "consents": [consent_data(row, names) for row in found.facts.consents],
        "streams": [decision_data(each, decision) for each, decision in decisions],
        "imports": [batch_data(batch) for batch in found.imports],
        "ledger": [_entry(entry, names) for entry in found.entries],
        "mail": [mail_data(row) for row in found.mail],
        "notes": found.notes,
    }
    if as_json:
        put_json(data)
    else:
        put(_lines(data, [decision_line(each, decision) for each, decision in decisions]))


async def _ask(command: Command, keys: list[bytes]) -> _Found:
    async with store(command) as opened:
        facts, entries = await facts_about(opened, keys), await history(opened, keys)
        named = dict.fromkeys(
            [row.batch for row in facts.suppressions]
            + [row.batch for row in facts.consents]
            + [entry.batch for entry in entries]
        )
        batches = [await get_batch(opened, batch) for batch in named if batch]
    suppressions = sorted(facts.suppressions, key=lambda row: (keys.index(row.subject), row.scope, row.reason))
    consents = sorted(facts.consents, key=lambda row: row.stream)
    return _Found(Facts(suppressions, consents), [batch for batch in batches if batch], entries)


async def _ask_past(command: Command, keys: list[bytes], at: datetime, stream: str | None) -> _Found:
    async with store(command) as opened:
        stood = await past(opened, keys, at)
    mail = await mail_around(journal_url(command.config), keys, at, stream)
    return _Found(stood.facts, stood.imports, stood.entries, mail.rows, list(notes(stood, mail, at)))


def _entry(entry: Entry, names: Mapping[bytes, str]) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "action": entry.action,
        "subject": names[entry.subject] if entry.subject else None,
        "scope": entry.scope,
        "reason": entry.reason,
        "actor": entry.actor,
        "source": entry.source,
        "batch": entry.batch,
        "evidence": _evidence(entry.evidence.data) if entry.evidence else None,
    }


def _evidence(said: Mapping[str, str]) -> str | None:
    """What proves an entry, in one text."""
    fields = {"evidence": "", "form": "form ", "ip": "from ", "message_id": "mail ", "text_version": "text "}
    return ", ".join(f"{word}{said[name]}" for name, word in fields.items() if said.get(name)) or None


def _lines(data: dict[str, Any], verdicts: list[str]) -> Iterator[str]:
    then = f", as of {data['at'][:19].replace('T', ' ')} UTC" if data["at"] else ""
    yield f"{printable(data['subject'])}  (key {data['key']}){then}"
    yield ""
    yield "suppressions:" if data["suppressions"] else "no suppressions"
    yield from (f"  {_suppression_line(row)}" for row in data["suppressions"])
    if data["consents"]:
        yield from ("", "consents:")
        yield from (f"  {consent_line(row)}" for row in data["consents"])
    yield from ("", "streams:")
    yield from (f"  {line}" for line in verdicts)
    if data["imports"]:
        yield from ("", "imports:")
        yield from (f"  {_batch_line(batch)}" for batch in data["imports"])
    if data["ledger"]:
        yield from ("", "ledger:")
        yield from (f"  {_entry_line(entry)}" for entry in data["ledger"])
    if data["at"]:
        yield from ("", "mail within a day:" if data["mail"] else "no mail within a day in the journal")
        yield from (f"  {mail_line(row)}" for row in data["mail"])
        yield from ("", *(f"note: {note}" for note in data["notes"]))


def _suppression_line(row: dict[str, Any]) -> str:
    until = f", {'until' if row['holds'] else 'expired'} {_minute(row['expires'])}" if row["expires"] else ""
    by = f"import {row['batch']}" if row["batch"] else row["origin"]
    again = ", asserted again" if row["asserted_again"] else ""
    listed = f" on the hash list {printable(row['list'])}" if row["list"] is not None else ""
    since = f"since {row['since'][:10]} by {printable(by)}{listed}"
    return f"{printable(row['subject'])}: {row['reason']} in {row['scope']} {since}{until}{again}"


def _batch_line(batch: dict[str, Any]) -> str:
    unfinished = "" if batch["finished"] else ", not finished"
    undone = f", undone {_minute(batch['undone'])}" if batch["undone"] else ""
    who = f"by {printable(batch['actor'])} on {_minute(batch['started'])}"
    return f"{batch['batch']}: {printable(batch['file'])} {who}{unfinished}{undone}"


def _entry_line(entry: dict[str, Any]) -> str:
    who = f"{entry['source']}:{entry['actor']}" if entry["actor"] else entry["source"]
    evidence = f": {printable(entry['evidence'])}" if entry["evidence"] else ""
    reason = f"{entry['reason']} in " if entry["reason"] else ""
    what = f"{entry['action']} {printable(entry['subject'] or '')}: {reason}{entry['scope'] or 'everything held'}"
    return f"{_minute(entry['at'])} {what} by {printable(who)}{evidence}"


def _minute(time: str) -> str:
    """A time in UTC, as people read it."""
    return f"{time[:16].replace('T', ' ')} UTC"
