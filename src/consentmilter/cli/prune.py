"""`consentmilter prune`: remove what was kept long enough."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from consentmilter.cli.output import AsJson, DryRun, put, put_json
from consentmilter.cli.site import Command, now
from consentmilter.cli.writing import actor, store
from consentmilter.service import retention
from consentmilter.service.places import journal_url
from consentmilter.service.retention import Progress, Pruned, Terms


def prune(context: typer.Context, *, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Remove what was kept as long as retention says.

    What belongs to a person under a legal hold, or whose data is restricted, is kept back. Others can write meanwhile,
    and a run that was cut short is completed by the next one.

    Example: consentmilter prune --dry-run
    """
    command: Command = context.obj
    terms = Terms.of(command.config, journal_url(command.config), now())
    with _meter() as progress:
        done = asyncio.run(_prune(command, terms, progress, dry_run=dry_run))
    if as_json:
        put_json([_data(each) for each in done])
    else:
        put(_line(each, dry_run=dry_run) for each in done)


async def _prune(command: Command, terms: Terms, progress: Progress, *, dry_run: bool) -> list[Pruned]:
    async with store(command) as opened:
        if dry_run:
            return await retention.preview(opened, terms)
        return await retention.prune(opened, terms, actor(), progress=progress)


@contextmanager
def _meter() -> Iterator[Progress]:
    """A count on a terminal, nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _kind, _rows: None
        return
    from rich.console import Console  # noqa: PLC0415 - it takes long to load what draws it
    from rich.progress import Progress as Drawn  # noqa: PLC0415 - likewise
    from rich.progress import SpinnerColumn, TextColumn  # noqa: PLC0415 - likewise

    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed:.0f} removed"))
    with Drawn(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task("prune", total=None)
        yield lambda kind, rows: drawn.update(task, description=kind.value, advance=rows)


def _data(each: Pruned) -> dict[str, Any]:
    before = each.before.isoformat() if each.before else None
    return {"kind": each.kind.value, "before": before, "removed": each.removed, "kept": each.kept}


def _line(each: Pruned, *, dry_run: bool) -> str:
    if each.before is None:
        return f"{each.kind}: all kept"
    kept = f", {each.kept} kept back" if each.kept else ""
    return (
        f"{each.kind}: {each.removed} {'would be ' if dry_run else ''}removed, of before {each.before:%Y-%m-%d}{kept}"
    )
