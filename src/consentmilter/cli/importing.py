"""`consentmilter import`: load opt-outs from files."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, cast

import typer

from consentmilter.cli import INTERRUPTED
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.site import Command
from consentmilter.cli.writing import actor, store
from consentmilter.errors import StoreError, UsageError
from consentmilter.importers import BadRow
from consentmilter.importers.rows import COLUMNS
from consentmilter.model import ALL, Reason
from consentmilter.service.importing import Report, Terms, Watch, import_file, preview_file

SHOWN_BAD_ROWS = 50

STDIN = "-"

GOES_ON = "what went in stays, and the same command again goes on to the end"


@dataclass(frozen=True)
class _Source:
    """A file to import, open, and its size in octets."""

    name: str
    file: BinaryIO
    size: int


def import_files(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files to import; - is standard input.")],
    *,
    scope: Annotated[str, typer.Option(metavar="SCOPE", help="A stream, an organisation, or * for everything.")] = ALL,
    reason: Annotated[Reason, typer.Option(help="The reason of rows that give none.")] = Reason.IMPORTED,
    file_format: Annotated[
        Literal["auto", "csv", "jsonl", "txt"], typer.Option("--format", help="How the files are written.")
    ] = "auto",
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OURS=THEIRS", help="email, reason, date or evidence=COLUMN; may be repeated."),
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put every address and domain of files on the list.

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
    reports: list[Report] = []
    try:
        with ExitStack() as stack:
            for source in _opened(files, stack):
                reports.append(_run(command, source, terms, dry_run=dry_run))
                if not as_json:
                    put([_line(reports[-1], dry_run=dry_run)])
    except KeyboardInterrupt:
        say("interrupted" if dry_run else f"interrupted: {GOES_ON}")
        raise typer.Exit(INTERRUPTED) from None
    finally:  # what was done before a fault is told, too
        if as_json and reports:
            put_json([_data(report) for report in reports])
    if any(report.bad for report in reports):
        raise typer.Exit(1)


def _run(command: Command, source: _Source, terms: Terms, *, dry_run: bool) -> Report:
    shown, begun = 0, False

    def show(row: BadRow) -> None:
        nonlocal shown
        shown += 1
        if shown <= SHOWN_BAD_ROWS:
            say(f"{printable(source.name)}:{row.line}: {row.column}: {printable(row.cause)}")
        elif shown == SHOWN_BAD_ROWS + 1:
            say(f"{printable(source.name)}: more bad rows are counted, not shown")

    async def work(meter: Callable[[int], None]) -> Report:
        def progress(octets: int) -> None:
            nonlocal begun
            begun = True
            meter(octets)

        watch = Watch(show, progress)
        async with store(command) as opened:
            if dry_run:
                return await preview_file(opened, source.file, source.name, terms=terms, watch=watch)
            return await import_file(opened, source.file, source.name, terms=terms, actor=actor(), watch=watch)

    try:
        with _meter(source) as meter:
            return asyncio.run(work(meter))
    except UsageError as error:
        raise UsageError(f"{printable(source.name)}: {error}") from error
    except StoreError:
        if begun and not dry_run:
            say(f"{printable(source.name)}: {GOES_ON}")
        raise


def _opened(names: list[str], stack: ExitStack) -> list[_Source]:
    """Every file, before anything of the first goes in: a name that is wrong is noticed now."""
    if names.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    return [_source(name, stack) for name in names]


def _source(name: str, stack: ExitStack) -> _Source:
    """The file, seekable, since it is read twice: of a pipe a copy is kept on disk."""
    if name == STDIN and sys.stdin is None:
        raise UsageError("standard input (-) is closed")
    try:
        file = sys.stdin.buffer if name == STDIN else stack.enter_context(Path(name).open("rb"))  # noqa: SIM115 - the stack closes it
        if not file.seekable():
            copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
            shutil.copyfileobj(file, copy)
            file = cast(BinaryIO, copy)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return _Source(name, file, size)
    except OSError as error:
        raise UsageError(f"{printable(name)}: {error.strerror}") from error


@contextmanager
def _meter(source: _Source) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _octets: None
        return
    from consentmilter.cli.meter import bar  # noqa: PLC0415 - it takes long to load what draws the bar

    with bar(source.name, source.size) as move:
        yield move


def _columns(mapped: list[str]) -> dict[str, str]:
    columns = {}
    for pair in mapped:
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in COLUMNS or (ours == "email" and not theirs):
            raise UsageError(
                f"--map {pair}: write OURS=COLUMN, where OURS is one of {', '.join(COLUMNS)}; reason= reads no reasons"
            )
        columns[ours] = theirs
    return columns


def _line(report: Report, *, dry_run: bool) -> str:
    name = printable(report.file)
    if report.finished is not None:
        when = f"{report.finished:%Y-%m-%d %H:%M} UTC"
        return f"{name}: imported already on {when} as batch {report.batch}, nothing changed"
    counts = f"{report.new} new, {report.known} known, {report.bad} bad of {report.rows} rows"
    resumed = ", gone on with after an interruption" if report.resumed else ""
    return f"{name} ({report.file_format}): {counts}" + (
        " (dry run, nothing changed)" if dry_run else f", batch {report.batch}{resumed}"
    )


def _data(report: Report) -> dict[str, Any]:
    return asdict(report) | {"finished": report.finished.isoformat() if report.finished else None}
