"""`consentmilter undo`: take an import back, or list the imports that there are."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from consentmilter.cli import INTERRUPTED
from consentmilter.cli.batches import batch_data
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.site import Command
from consentmilter.cli.writing import actor, store
from consentmilter.errors import UsageError
from consentmilter.service.undo import Undone, latest, preview_undo
from consentmilter.service.undo import undo as take_back
from consentmilter.store.batches import Batch

SHOWN = 100


def undo(
    context: typer.Context,
    batch: Annotated[
        str | None, typer.Argument(metavar="BATCH", help="The id of an import; without it, list them.")
    ] = None,
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Take an import back: lift what it made and nobody asserted since.

    Who clicked, complained or stood in another file meanwhile stays on the list. Without an id the latest imports are
    listed, and nothing is changed. An undo that was interrupted goes on when it is started again.

    Example: consentmilter undo 2e4ba6a650a00740 --dry-run
    """
    command: Command = context.obj
    if batch is None:
        _show(asyncio.run(_latest(command)), as_json=as_json)
        return
    try:
        undone = asyncio.run(_undo(command, batch, dry_run=dry_run))
    except KeyboardInterrupt:
        say(
            "interrupted"
            if dry_run
            else "interrupted: what was lifted stays lifted, and the same command again goes on"
        )
        raise typer.Exit(INTERRUPTED) from None
    except UsageError as error:
        raise UsageError(printable(str(error))) from error
    if as_json:
        put_json([_data(undone.batch, {"lifted": undone.lifted, "kept": undone.kept})])
    else:
        put([_line(undone, dry_run=dry_run)])


async def _latest(command: Command) -> list[Batch]:
    async with store(command) as opened:
        return await latest(opened, SHOWN)


async def _undo(command: Command, batch: str, *, dry_run: bool) -> Undone:
    async with store(command) as opened:
        return await preview_undo(opened, batch) if dry_run else await take_back(opened, batch, actor())


def _show(batches: list[Batch], *, as_json: bool) -> None:
    if as_json:
        put_json([_data(batch, {"lifted": None, "kept": None}) for batch in batches])
    elif batches:
        put(map(_batch_line, batches))
    else:
        say("nothing was imported so far")


def _data(batch: Batch, outcome: Mapping[str, int | None]) -> dict[str, Any]:
    return {
        **batch_data(batch),
        "rows": batch.rows,
        "new": batch.new,
        "known": batch.known,
        "skipped": batch.skipped,
        "bad": batch.bad,
        **outcome,
    }


def _batch_line(batch: Batch) -> str:
    who = f"{printable(batch.file)} by {printable(batch.actor)} on {batch.started:%Y-%m-%d %H:%M} UTC"
    counts = f"{batch.new} new, {batch.known} known, {batch.skipped} skipped, {batch.bad} bad of {batch.rows} rows"
    undone = f", undone {batch.undone:%Y-%m-%d %H:%M} UTC" if batch.undone else ""
    return f"{batch.id}: {who}: {counts if batch.finished else 'not finished'}{undone}"


def _line(undone: Undone, *, dry_run: bool) -> str:
    before = f", undone before on {undone.before:%Y-%m-%d %H:%M} UTC" if undone.before else ""
    changed = " (dry run, nothing changed)" if dry_run else ""
    kept = f"{undone.kept} kept because they were asserted again"
    return f"{undone.batch.id} ({printable(undone.batch.file)}): {undone.lifted} lifted, {kept}{before}{changed}"
