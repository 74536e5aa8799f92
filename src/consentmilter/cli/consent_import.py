"""`consentmilter consent import`: load consents from files."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from consentmilter.cli import INTERRUPTED
from consentmilter.cli.bad_rows import BadRows
from consentmilter.cli.importing import GOES_ON, MaxErrors, RejectsFile
from consentmilter.cli.meter import Move, meter
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.rejects import Rejects
from consentmilter.cli.site import Command
from consentmilter.cli.sources import Source, named, opened
from consentmilter.cli.writing import actor, store
from consentmilter.errors import UsageError
from consentmilter.importers import Plan
from consentmilter.importers.opt_ins import OURS
from consentmilter.model import Basis
from consentmilter.service.importing import Report, Watch
from consentmilter.service.importing_consents import Terms, import_consents, preview_consents
from consentmilter.service.unpacking import Examined


def import_files(
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="CSV or JSON files; - is standard input.")],
    *,
    stream: Annotated[
        str | None, typer.Option("--stream", metavar="NAME", help="The stream of rows that name none.")
    ] = None,
    basis: Annotated[Basis, typer.Option(help="The legal basis of rows that give none.")] = Basis.CONSENT,
    mapped: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="OURS=THEIRS", help=f"{', '.join(OURS)}=COLUMN; may be repeated."),
    ] = None,
    rejects: RejectsFile = None,
    max_errors: MaxErrors = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Record the consents that files tell of.

    Good rows go in and bad ones are shown with their line; exit code 1 if there were any. The same file again changes
    nothing, and nobody who withdrew is brought back by a row without evidence of a later consent.

    Example: consentmilter consent import opted-in.csv --stream acme.offers
    """
    command: Command = context.obj
    if stream is not None:
        command.streams(stream)
    terms = Terms(
        site=command.site,
        ring=command.ring,
        store_addresses=command.config.privacy.store_addresses,
        stream=stream,
        basis=basis,
        columns=_columns(mapped or []),
        max_errors=max_errors,
    )
    with Rejects(rejects) as rejected:
        _tell(_imported(command, files, terms, rejected, dry_run=dry_run), dry_run=dry_run, as_json=as_json)


def _tell(imported: Iterator[Report], *, dry_run: bool, as_json: bool) -> None:
    """Tell of each file as it is done, and end with 1 if not all of it could be used."""
    reports: list[Report] = []
    try:
        for report in imported:
            reports.append(report)
            if not as_json:
                put([_line(report, dry_run=dry_run)])
    except KeyboardInterrupt:
        say("interrupted" if dry_run else f"interrupted: {GOES_ON}")
        raise typer.Exit(INTERRUPTED) from None
    finally:  # what was done before a fault is told, too
        if as_json and reports:
            put_json([_data(report) for report in reports])
    if any(report.bad or report.stopped for report in reports):
        raise typer.Exit(1)


def _imported(command: Command, files: list[str], terms: Terms, rejects: Rejects, *, dry_run: bool) -> Iterator[Report]:
    """Import one file after the other."""
    sources = named(files)
    rejects.refuse_among(Path(each.name) for each in sources)
    for each in sources:
        with ExitStack() as stack:
            yield _One(command, opened(each, stack), terms, rejects).run(dry_run=dry_run)


class _One:
    """The import of one file, and what is told while it runs."""

    def __init__(self, command: Command, source: Source, terms: Terms, rejects: Rejects) -> None:
        self._command, self._source, self._terms = command, source, terms
        self._name = printable(source.name)
        self._bad_rows = BadRows(self._name, rejects)

    def run(self, *, dry_run: bool) -> Report:
        try:
            with meter(self._source.name, self._source.size) as move:
                return asyncio.run(self._work(move, dry_run=dry_run))
        except UsageError as error:
            raise UsageError(f"{self._name}: {error}") from error

    async def _work(self, move: Move, *, dry_run: bool) -> Report:
        work = preview_consents if dry_run else import_consents
        watch = Watch(self._recognised, self._bad_rows, move)
        async with store(self._command) as opened_:
            return await work(
                opened_, self._source.file, self._source.name, terms=self._terms, actor=actor(), watch=watch
            )

    def _recognised(self, plan: Plan, examined: Examined) -> None:
        self._bad_rows.plan = plan
        if examined.notice:
            say(f"{self._name}: {examined.notice}")


def _columns(mapped: list[str]) -> dict[str, str]:
    columns = {}
    for pair in mapped:
        ours, equals, theirs = pair.partition("=")
        if not equals or ours not in OURS or not theirs:
            raise UsageError(f"--map {pair}: write OURS=COLUMN, where OURS is one of {', '.join(OURS)}")
        columns[ours] = theirs
    return columns


def _line(report: Report, *, dry_run: bool) -> str:
    name = printable(report.file)
    if report.finished is not None:
        when = f"{report.finished:%Y-%m-%d %H:%M} UTC"
        return f"{name}: imported already on {when} as batch {report.batch}, nothing changed"
    told = f"{name}: {report.new} new, {report.known} known, {report.bad} bad of {report.rows} rows"
    if dry_run:
        return f"{told} (dry run, nothing changed)"
    stopped = f", stopped after too many bad rows: {GOES_ON}" if report.stopped else ""
    return f"{told}, batch {report.batch}{stopped}"


def _data(report: Report) -> dict[str, Any]:
    finished = report.finished.isoformat() if report.finished else None
    return {name: value for name, value in asdict(report).items() if name != "skipped"} | {"finished": finished}
