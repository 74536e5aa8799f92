"""`consentmilter subject hold` and `release`: have nothing about a person deleted, for as long as it takes."""

from typing import Annotated

import typer

from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.person import UNCHANGED, Address, Evidence, named, on_store
from consentmilter.cli.site import Command
from consentmilter.cli.writing import actor
from consentmilter.service import holds
from consentmilter.service.person import Person
from consentmilter.store.holds import Hold


def hold(
    context: typer.Context,
    address: Address,
    *,
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="For what cause; kept in the ledger.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Keep everything about a person from being deleted.

    Neither erase nor prune touches them until consentmilter subject release.

    Example: consentmilter subject hold reader@example.net --evidence "Reader v. Acme, 12 O 34/26"
    """
    command: Command = context.obj
    person = named(command, address)
    found = on_store(
        command,
        lambda opened: holds.held(opened, person) if dry_run else holds.hold(opened, person, actor(), cause=evidence),
    )
    _tell_hold(person, found, "held already" if found else "held", dry_run=dry_run, as_json=as_json)


def release(
    context: typer.Context,
    address: Address,
    *,
    evidence: Evidence,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """End a legal hold.

    Exit code 1 if there is none.

    Example: consentmilter subject release reader@example.net --evidence "settled on 2 February"
    """
    command: Command = context.obj
    person = named(command, address)
    found = on_store(
        command,
        lambda opened: (
            holds.held(opened, person) if dry_run else holds.release(opened, person, actor(), evidence=evidence)
        ),
    )
    _tell_hold(person, found, "released" if found else "not held", dry_run=dry_run, as_json=as_json)
    if found is None:
        raise typer.Exit(1)


def _tell_hold(person: Person, found: Hold | None, state: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        since = {"since": found.since.isoformat(), "cause": found.cause} if found else {"since": None, "cause": None}
        put_json({"subject": person.address, "key": person.key.hex(), "dry_run": dry_run, "state": state} | since)
        return
    before = f" (hold since {found.since:%Y-%m-%d %H:%M} UTC: {printable(found.cause)})" if found else ""
    put([f"{printable(person.address)}: {state}{before}"])
    if dry_run:
        say(UNCHANGED)
