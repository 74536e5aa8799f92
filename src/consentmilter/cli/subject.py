"""`consentmilter subject`: what a person may ask about what is held of them, and legal holds."""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, NoReturn

import typer

from consentmilter.cli import dossier as shown
from consentmilter.cli.destination import STDOUT, destination
from consentmilter.cli.help import SETTINGS, add_command
from consentmilter.cli.hold import hold, release
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.person import UNCHANGED, Address, Evidence, named, on_store
from consentmilter.cli.site import Command, now
from consentmilter.cli.writing import actor
from consentmilter.errors import UsageError
from consentmilter.model import ALL
from consentmilter.service import dossier, rights
from consentmilter.service.dossier import Dossier
from consentmilter.service.person import Person
from consentmilter.service.places import journal_url
from consentmilter.service.rights import Effect, Effects, Hand
from consentmilter.store.writer import Store

app = typer.Typer(name="subject", help="Answer a person: show, move, erase or freeze their data.", **SETTINGS)

SomeEvidence = Annotated[
    str | None, typer.Option("--evidence", metavar="TEXT", help="Who asked for it, and how; kept in the ledger.")
]


def export(
    context: typer.Context,
    address: Address,
    *,
    file_format: Annotated[
        Literal["text", "html"], typer.Option("--format", help="How it is written, if not as JSON.")
    ] = "text",
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")
    ] = STDOUT,
    evidence: SomeEvidence = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what there is, hand nothing out and note nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write everything that is held of a person.

    That it was handed out is noted in the ledger first. Exit code 1 if nothing is held. A legal hold is shown as well,
    so read it before you hand it out.

    Example: consentmilter subject export reader@example.net --format html -o reader.html
    """
    command: Command = context.obj
    if as_json and file_format != "text":
        raise UsageError("--json and --format: say one of them")
    person, form = named(command, address), "json" if as_json else file_format
    if dry_run:
        _put_counts(on_store(command, lambda opened: _gathered(command, opened, person))[1], as_json=as_json)
        return

    async def work(opened: Store) -> bytes:
        found, data = await _gathered(command, opened, person)
        written = _written(data, form)
        await dossier.note(opened, found, written, actor(), evidence)
        return written

    with destination(output) as file:
        file.write(on_store(command, work))


async def _gathered(command: Command, opened: Store, person: Person) -> tuple[Dossier, dict[str, Any]]:
    """What is held of a person; nothing is an answer of no."""
    found = await dossier.gather(opened, journal_url(command.config), person)
    if not found:
        _nothing(person)
    return found, dossier.told(found, now().replace(microsecond=0))


def rectify(
    context: typer.Context,
    address: Annotated[str, typer.Argument(metavar="OLD", help="The address that is wrong, or no longer theirs.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The right one.")],
    *,
    evidence: Evidence,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Have what holds for one address hold for another one.

    Every opt-out of the old address holds for both from then on. Its consents move, unless the new one has its own, and
    end at the old one. Exit code 1 if nothing is held of the old address.

    Example: consentmilter subject rectify raeder@example.net reader@example.net --evidence "ticket 4711"
    """
    command: Command = context.obj
    old, other = named(command, address), named(command, new)
    hand = Hand(actor(), evidence, dry_run)
    effects = on_store(command, lambda opened: rights.rectify(opened, old, other, hand))
    _tell(old, effects, hand, as_json=as_json)


def erase(
    context: typer.Context,
    address: Address,
    *,
    evidence: SomeEvidence = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Forget a person, but for the key of their opt-outs.

    Exit code 1 if there is nothing to erase, if a legal hold keeps it, or if nobody has read yet what they wrote.

    Example: consentmilter subject erase reader@example.net --evidence "ticket 4711"
    """
    command: Command = context.obj
    person, hand = named(command, address), Hand(actor(), evidence, dry_run)
    journal = journal_url(command.config)
    _tell(person, on_store(command, lambda opened: rights.erase(opened, journal, person, hand)), hand, as_json=as_json)


def restrict(
    context: typer.Context,
    address: Address,
    *,
    evidence: Evidence,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Do nothing with what is held of a person but keep it.

    Nothing is sent to them, mail of exempt categories included; they are in no export, and prune leaves them alone. It
    ends with consentmilter remove ADDRESS --reason legal.

    Example: consentmilter subject restrict reader@example.net --evidence "disputes the data, ticket 4711"
    """
    command: Command = context.obj
    person, hand = named(command, address), Hand(actor(), evidence, dry_run)
    _tell(person, on_store(command, lambda opened: rights.restrict(opened, person, hand)), hand, as_json=as_json)


def object_(
    context: typer.Context,
    address: Address,
    *,
    organisation: Annotated[
        str, typer.Option(metavar="NAME", help="All that this organisation mails; * is everything.")
    ] = ALL,
    evidence: SomeEvidence = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Record that a person objects to marketing.

    No later consent overrides an objection.

    Example: consentmilter subject object reader@example.net --organisation acme
    """
    command: Command = context.obj
    person, hand = named(command, address), Hand(actor(), evidence, dry_run)
    scope = _organisation(command, organisation)
    _tell(
        person, on_store(command, lambda opened: rights.object_to(opened, person, scope, hand)), hand, as_json=as_json
    )


def _organisation(command: Command, name: str) -> str:
    known = {stream.partition(".")[0] for stream in command.site.streams if "." in stream}
    known |= {ALL, *command.site.organisations}
    if name not in known:
        raise UsageError(f"--organisation: unknown organisation {name!r} (use {', '.join(sorted(known))})")
    return name


def _tell(person: Person, effects: Effects, hand: Hand, *, as_json: bool) -> None:
    """Print what was done, or would be."""
    if as_json:
        done = [{"what": e.what, "done": e.done, "count": e.count, "details": list(e.details)} for e in effects]
        put_json({"subject": person.address, "key": person.key.hex(), "dry_run": hand.dry_run, "effects": done})
    else:
        put(map(_line, effects))
        if hand.dry_run and effects:
            say(UNCHANGED)
    if not effects:
        _nothing(person)


def _line(effect: Effect) -> str:
    details = f" ({printable(', '.join(effect.details))})" if effect.details else ""
    return f"{effect.what} {effect.done}: {effect.count}{details}"


def _put_counts(data: dict[str, Any], *, as_json: bool) -> None:
    counts = {name: len(data[name]) for name in shown.TITLES}
    if as_json:
        put_json({"subject": data["subject"], "keys": data["keys"], "dry_run": True} | counts)
    else:
        put(f"{shown.TITLES[name][0]}: {count}" for name, count in counts.items())


def _written(data: dict[str, Any], form: str) -> bytes:
    match form:
        case "json":
            text = f"{json.dumps(data, indent=2, ensure_ascii=False)}\n"
        case "html":
            text = shown.page(data)
        case _:
            text = "".join(f"{line}\n" for line in shown.text(data))
    return text.encode("utf-8", "backslashreplace")


def _nothing(person: Person) -> NoReturn:
    say(f"{printable(person.address)}: nothing is held, or nothing is left to do")
    raise typer.Exit(1)


_COMMANDS: dict[str, Callable[..., None]] = {
    "export": export,
    "rectify": rectify,
    "erase": erase,
    "restrict": restrict,
    "object": object_,
    "hold": hold,
    "release": release,
}

for name, function in _COMMANDS.items():
    add_command(app, function, name)
