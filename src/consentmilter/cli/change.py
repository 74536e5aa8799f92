"""`consentmilter add` and `remove`: put people and domains on the list, and lift what is on it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from consentmilter.cli.output import AsJson, put, put_json, say
from consentmilter.cli.site import Command, now
from consentmilter.cli.times import utc_end
from consentmilter.cli.writing import actor, store
from consentmilter.errors import UsageError
from consentmilter.model import ALL, Assertion, Reason
from consentmilter.service.suppressions import Outcome, assert_many, held, lift
from consentmilter.store.writer import Store

Subjects = Annotated[
    list[str],
    typer.Argument(metavar="SUBJECT...", help="Addresses, domains (example.com) or sub-domains (.example.com)."),
]


def add(
    context: typer.Context,
    subjects: Subjects,
    *,
    scope: Annotated[str, typer.Option(metavar="SCOPE", help="A stream, an organisation, or * for everything.")] = ALL,
    reason: Annotated[Reason, typer.Option(help="Why.")] = Reason.MANUAL,
    evidence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Who said so, and how; kept in the ledger.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until when, such as 2030-12-31; without it, for ever.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put addresses or domains on the list, all of them or none.

    What stands already is marked as asserted again; it never holds shorter than before.

    Example: consentmilter add reader@example.net --scope acme.newsletter --evidence "called on 2 February"
    """
    command: Command = context.obj
    command.scope(scope)
    named = list(dict.fromkeys(command.subject(text) for text in subjects))
    until = _until(expires) if expires is not None else None
    stored = command.config.privacy.store_addresses
    assertions = [
        Assertion(each.key, each.text if stored else None, scope, reason, expires=until, evidence=evidence)
        for each in named
    ]
    outcome = asyncio.run(_assert(command, assertions))
    if as_json:
        told = {"subjects": [each.text for each in named], "scope": scope, "reason": reason}
        put_json(told | {"new": outcome.new, "known": outcome.known})
    else:
        put([f"{outcome.new} new, {outcome.known} known"])


def remove(
    context: typer.Context,
    subjects: Subjects,
    *,
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="Who asked for it, and how; kept in the ledger.")],
    scope: Annotated[str | None, typer.Option(metavar="SCOPE", help="Lift in this scope only.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Lift this reason only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lift what stands on the list for addresses or domains.

    Exit code 1 if nothing did. What stands for the domain of an address is lifted under the domain's own name.

    Example: consentmilter remove reader@example.net --scope acme.newsletter --evidence "asked in ticket 4711"
    """
    command: Command = context.obj
    names = list(dict.fromkeys(command.subject(text).text for text in subjects))
    lifted: list[dict[str, Any]] = []
    try:
        asyncio.run(_lift(command, names, scope, reason, evidence, lifted))
    finally:  # each person's is lifted for itself: what was done before a fault is told, too
        if as_json:
            put_json(lifted)
        else:
            put(
                f"{row['subject']}: lifted {row['reason']} in {row['scope']}, there since {row['since'][:10]}"
                for row in lifted
            )
    if not lifted:
        raise typer.Exit(1)


async def _assert(command: Command, assertions: list[Assertion]) -> Outcome:
    async with store(command) as opened:
        return await assert_many(opened, assertions, actor())


async def _lift(  # noqa: PLR0917 - what a lift is
    command: Command,
    names: Sequence[str],
    scope: str | None,
    reason: Reason | None,
    evidence: str,
    lifted: list[dict[str, Any]],
) -> None:
    """Lift for one after the other, and add what was lifted to `lifted`."""
    async with store(command) as opened:
        for name in names:
            before = len(lifted)
            for each in command.own_subjects(name):
                rows = await lift(opened, each.key, scope, reason, evidence=evidence, actor=actor())
                lifted += [
                    {"subject": each.text, "scope": row.scope, "reason": row.reason, "since": row.created.isoformat()}
                    for row in rows
                ]
            if len(lifted) == before:
                say(f"{name}: nothing to lift{await _around(command, opened, name)}")


async def _around(command: Command, opened: Store, name: str) -> str:
    """What else holds for somebody for whom nothing was lifted."""
    names = {each.key: each.text for each in command.subjects_about(name)}
    rows = sorted(await held(opened, list(names)), key=lambda row: list(names).index(row.subject))
    standing = dict.fromkeys(f"{names[row.subject]} ({row.reason} in {row.scope})" for row in rows if row.holds(now()))
    return f"; what stands: {', '.join(standing)}" if standing else ""


def _until(text: str) -> datetime:
    """The time at which a suppression ends; a day counts to its end."""
    try:
        at = utc_end(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--expires: {text!r} is no date (write 2030-12-31 or 2030-12-31T18:00:00Z)") from None
    if at <= now():
        raise UsageError(f"--expires: {text} is past; the suppression would never hold")
    return at
