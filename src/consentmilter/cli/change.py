"""`consentmilter add` and `remove`: put people and domains on the list, and lift what is on it."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from consentmilter.cli.output import AsJson, put, put_json, say
from consentmilter.cli.site import Command
from consentmilter.errors import UsageError
from consentmilter.model import ALL, Assertion, Reason, Suppression
from consentmilter.service.suppressions import Outcome, assert_many, lift
from consentmilter.subjects import Subject, subject_named

Subjects = Annotated[
    list[str],
    typer.Argument(metavar="SUBJECT...", help="Addresses, domains (example.com) or sub-domains (.example.com)."),
]


def add(
    context: typer.Context,
    subjects: Subjects,
    *,
    scope: Annotated[str, typer.Option(help="A stream, an organisation, or * for everything.")] = ALL,
    reason: Annotated[Reason, typer.Option(help="Why.")] = Reason.MANUAL,
    evidence: Annotated[str | None, typer.Option(help="Who said so, and how; kept in the ledger.")] = None,
    expires: Annotated[str | None, typer.Option(help="Until when, as 2026-12-31; without it, for ever.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put addresses or domains on the list, all of them or none.

    Example: consentmilter add reader@example.net --scope acme.newsletter --evidence "called on 2 February"
    """
    command: Command = context.obj
    command.scope(scope)
    named = _named(command, subjects)
    until = _date(expires) if expires else None
    stored = command.config.privacy.store_addresses
    assertions = [
        Assertion(each.key, each.text if stored else None, scope, reason, expires=until, evidence=evidence)
        for each in named
    ]
    outcome = asyncio.run(_assert(command, assertions))
    if as_json:
        put_json({"new": outcome.new, "known": outcome.known})
    else:
        put([f"{outcome.new} new, {outcome.known} known"])


def remove(
    context: typer.Context,
    subjects: Subjects,
    *,
    evidence: Annotated[str, typer.Option(help="Who asked for it, and how; kept in the ledger.")],
    scope: Annotated[str | None, typer.Option(help="Lift in this scope only.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Lift this reason only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Lift what stands on the list for addresses or domains; exit code 1 if nothing did.

    Example: consentmilter remove reader@example.net --scope acme.newsletter --evidence "asked in ticket 4711"
    """
    command: Command = context.obj
    named = _named(command, subjects)
    lifted = asyncio.run(_lift(command, named, scope, reason, evidence))
    rows = [
        {"subject": each.text, "scope": row.scope, "reason": row.reason, "since": row.created.isoformat()}
        for each, rows in lifted
        for row in rows
    ]
    if as_json:
        put_json(rows)
    else:
        put(
            f"{row['subject']}: lifted {row['reason']} in {row['scope']}, there since {row['since'][:10]}"
            for row in rows
        )
    for each, found in lifted:
        if not found:
            say(f"{each.text}: nothing to lift")
    if not rows:
        raise typer.Exit(1)


def _named(command: Command, subjects: list[str]) -> list[Subject]:
    return [subject_named(text, command.ring, command.site.foldings) for text in subjects]


async def _assert(command: Command, assertions: list[Assertion]) -> Outcome:
    async with command.store() as store:
        return await assert_many(store, assertions, command.actor)


async def _lift(
    command: Command, named: list[Subject], scope: str | None, reason: Reason | None, evidence: str
) -> list[tuple[Subject, list[Suppression]]]:
    async with command.store() as store:
        return [
            (each, await lift(store, each.key, scope, reason, evidence=evidence, actor=command.actor)) for each in named
        ]


def _date(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--expires: {text!r} is no date (write 2026-12-31 or 2026-12-31T18:00:00Z)") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
