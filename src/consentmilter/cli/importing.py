"""`consentmilter import`: load opt-outs from files."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, cast

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.site import Command
from consentmilter.errors import UsageError
from consentmilter.importers import BadRow
from consentmilter.importers.rows import COLUMNS
from consentmilter.model import ALL, Reason
from consentmilter.service.importing import Report, Terms, Watch, import_file

SHOWN_BAD_ROWS = 50


def import_files(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files to import; - is standard input.")],
    *,
    scope: Annotated[str, typer.Option(help="A stream, an organisation, or * for everything.")] = ALL,
    reason: Annotated[Reason, typer.Option(help="The reason of rows that give none.")] = Reason.IMPORTED,
    file_format: Annotated[
        Literal["auto", "csv", "jsonl", "txt"], typer.Option("--format", help="How the files are written.")
    ] = "auto",
    mapped: Annotated[
        list[str] | None, typer.Option("--map", metavar="OURS=THEIRS", help="email, reason, date or evidence=COLUMN.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put every address and domain of the files on the list.

    Good rows go in and bad ones are shown with their line; exit code 1 if there were any. The same file again changes
    nothing, and an import that was interrupted goes on when it is started again.

    Example: consentmilter import opted-out.csv --scope acme.newsletter --reason unsubscribe
    """
    command: Command = context.obj
    terms = Terms(
        scope=command.scope(scope),
        reason=reason,
        ring=command.ring,
        foldings=command.site.foldings,
        store_addresses=command.config.privacy.store_addresses,
        file_format=None if file_format == "auto" else file_format,
        columns=_columns(mapped or []),
    )
    reports = []
    for name in files:
        report = asyncio.run(_import(command, name, terms, dry_run=dry_run))
        reports.append(report)
        if not as_json:
            put([_line(report, dry_run=dry_run)])
    if as_json:
        put_json([_data(report) for report in reports])
    if any(report.bad for report in reports):
        raise typer.Exit(1)


async def _import(command: Command, name: str, terms: Terms, *, dry_run: bool) -> Report:
    shown = 0

    def show(row: BadRow) -> None:
        nonlocal shown
        shown += 1
        if shown <= SHOWN_BAD_ROWS:
            say(f"{name}:{row.line}: {row.column}: {printable(row.cause)}")
        elif shown == SHOWN_BAD_ROWS + 1:
            say(f"{name}: more bad rows are counted, not shown")

    with _opened(name) as (file, size), _progress(name, size) as progress:
        async with command.store() as store:
            watch = Watch(show, progress)
            return await import_file(store, file, name, terms=terms, actor=command.actor, watch=watch, dry_run=dry_run)


@contextmanager
def _opened(name: str) -> Iterator[tuple[BinaryIO, int]]:
    """The file, seekable, and its size: standard input is kept on disk first, since it is read twice."""
    if name == "-":
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            size = copy.tell()
            copy.seek(0)
            yield cast(BinaryIO, copy), size
        return
    path = Path(name)
    try:
        with path.open("rb") as file:
            yield file, path.stat().st_size
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise UsageError(f"{name}: {error.strerror}") from error


class _Meter:
    """Calls with the octets read so far move the bar."""

    def __init__(self, bar: Progress, name: str, size: int) -> None:
        self._bar = bar
        self._task = bar.add_task(name, total=size)

    def __call__(self, octets: int) -> None:
        self._bar.update(self._task, completed=octets)


@contextmanager
def _progress(name: str, size: int) -> Iterator[_Meter]:
    """A bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield _Meter(bar, name, size)


def _columns(mapped: list[str]) -> dict[str, str]:
    columns = {}
    for pair in mapped:
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in COLUMNS or not theirs:
            raise UsageError(f"--map {pair}: write OURS=COLUMN, where OURS is one of {', '.join(COLUMNS)}")
        columns[ours] = theirs
    return columns


def _line(report: Report, *, dry_run: bool) -> str:
    if report.finished is not None:
        when = f"{report.finished:%Y-%m-%d %H:%M} UTC"
        return f"{report.file}: imported already on {when} as batch {report.batch}, nothing changed"
    counts = f"{report.new} new, {report.known} known, {report.bad} bad of {report.rows} rows"
    return f"{report.file} ({report.file_format}): {counts}{' (dry run)' if dry_run else f', batch {report.batch}'}"


def _data(report: Report) -> dict[str, Any]:
    return asdict(report) | {"finished": report.finished.isoformat() if report.finished else None}
