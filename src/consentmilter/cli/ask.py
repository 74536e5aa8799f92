"""`consentmilter check` and `explain`: what the list says of a person."""

import asyncio
from typing import Annotated, Any

import typer

from consentmilter.addresses import mailable
from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.site import Command, now
from consentmilter.errors import UsageError
from consentmilter.keys import subjects_for
from consentmilter.ledger import Entry
from consentmilter.model import Suppression, Verdict
from consentmilter.policy.decide import Decision, decide
from consentmilter.policy.site import Stream
from consentmilter.service.suppressions import held, history

Person = Annotated[str, typer.Argument(metavar="ADDRESS", help="The person's address.")]


def check(
    context: typer.Context,
    address: Person,
    *,
    stream: Annotated[str | None, typer.Option(help="Ask for this stream only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether mail to a person would be sent: exit code 0 if it would, 1 if it would not.

    Without --stream every stream is asked for, and one that would not be sent makes the exit code 1.

    Example: consentmilter check reader@example.net --stream acme.newsletter
    """
    command: Command = context.obj
    streams = _streams(command, stream)
    with command.reader() as reader:
        rows = reader.suppressions(_subjects(command, address))
    decisions = {each: decide(each, rows, now()) for each in streams}
    if as_json:
        put_json([_decision(each, decision) for each, decision in decisions.items()])
    else:
        put(_decision_line(each, decision) for each, decision in decisions.items())
    if any(decision.verdict is not Verdict.ACCEPT for decision in decisions.values()):
        raise typer.Exit(1)


def explain(context: typer.Context, address: Person, *, as_json: AsJson = False) -> None:
    """Show everything that holds for a person: each suppression, each stream's verdict, and the ledger.

    Example: consentmilter explain reader@example.net
    """
    command: Command = context.obj
    subjects = _subjects(command, address)
    rows, entries = asyncio.run(_ask(command, subjects))
    data = {
        "address": str(mailable(address)),
        "subject": subjects[0].hex(),
        "suppressions": [_suppression(row) for row in rows],
        "streams": [_decision(each, decide(each, rows, now())) for each in _streams(command, None)],
        "ledger": [_entry(entry) for entry in entries],
    }
    if as_json:
        put_json(data)
    else:
        put(_explanation(data))


async def _ask(command: Command, subjects: tuple[bytes, ...]) -> tuple[list[Suppression], list[Entry]]:
    async with command.store() as store:
        return await held(store, subjects), await history(store, subjects)


def _subjects(command: Command, address: str) -> tuple[bytes, ...]:
    return subjects_for(mailable(address), command.ring, command.site.foldings)


def _streams(command: Command, name: str | None) -> list[Stream]:
    streams = command.site.streams
    if name is None:
        return list(streams.values())
    if name not in streams:
        raise UsageError(f"unknown stream {name!r} (use {', '.join(sorted(streams))})")
    return [streams[name]]


def _decision(stream: Stream, decision: Decision) -> dict[str, Any]:
    row = decision.suppression
    return {
        "stream": stream.name,
        "category": stream.category.name,
        "basis": stream.category.basis,
        "mode": stream.mode,
        "verdict": decision.verdict,
        "bypassed": decision.bypassed,
        "reason": row.reason if row else None,
        "scope": row.scope if row else None,
        "since": row.created.isoformat() if row else None,
    }


def _decision_line(stream: Stream, decision: Decision) -> str:
    row = decision.suppression
    why = f" ({row.reason} in {row.scope} since {row.created:%Y-%m-%d})" if row else ""
    bypassed = ", bypassed: exempt" if decision.bypassed else ""
    observed = "" if stream.enforced or decision.verdict is Verdict.ACCEPT else ", only observed"
    return f"{stream.name}: {decision.verdict}{why}{bypassed}{observed}"


def _suppression(row: Suppression) -> dict[str, Any]:
    return {
        "for": row.address,
        "scope": row.scope,
        "reason": row.reason,
        "origin": row.origin,
        "batch": row.batch,
        "since": row.created.isoformat(),
        "expires": row.expires.isoformat() if row.expires else None,
        "asserted_again": row.asserted_again,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "at": entry.at.isoformat(),
        "action": entry.action,
        "actor": entry.actor,
        "source": entry.source,
        "scope": entry.scope,
        "reason": entry.reason,
        "evidence": entry.evidence.data.get("evidence") if entry.evidence else None,
    }


def _explanation(data: dict[str, Any]) -> list[str]:
    lines = [f"{data['address']}  (key {data['subject']})", ""]
    lines += ["suppressions:" if data["suppressions"] else "no suppressions"]
    for row in data["suppressions"]:
        rest = f", until {row['expires'][:10]}" if row["expires"] else ""
        rest += f", import {row['batch']}" if row["batch"] else ""
        rest += ", asserted again" if row["asserted_again"] else ""
        whom = f"{row['for']}: " if row["for"] else ""
        lines.append(f"  {whom}{row['reason']} in {row['scope']} since {row['since'][:10]} by {row['origin']}{rest}")
    lines += ["", "streams:"]
    for each in data["streams"]:
        why = (
            f": {each['reason']} in {each['scope']}{' bypassed' if each['bypassed'] else ''}" if each["reason"] else ""
        )
        lines.append(f"  {each['stream']} ({each['category']}, {each['basis']}): {each['verdict']}{why}")
    lines += ["", "ledger:"] if data["ledger"] else []
    for entry in data["ledger"]:
        evidence = f": {printable(entry['evidence'])}" if entry["evidence"] else ""
        who = f"{entry['source']}:{entry['actor']}" if entry["actor"] else entry["source"]
        lines.append(
            f"  {entry['at'][:19]}Z {entry['action']} {entry['reason']} in {entry['scope']} by {who}{evidence}"
        )
    return lines
