"""`consentmilter import`: load opt-outs from files."""

import asyncio
import shlex
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from consentmilter.cli import INTERRUPTED, WRONG_USAGE
from consentmilter.cli.bad_rows import BadRows
from consentmilter.cli.meter import meter
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, say
from consentmilter.cli.rejects import Rejects
from consentmilter.cli.site import Command
from consentmilter.cli.sources import Named, Source, named, opened, put_away
from consentmilter.cli.writing import actor, store
from consentmilter.errors import StoreError, UsageError
from consentmilter.importers import COLUMNS, FORMATS, HeaderError, Plan
from consentmilter.model import ALL, Reason
from consentmilter.service.importing import HashedFrom, Progress, Report, Terms, Watch, import_file, preview_file
from consentmilter.service.unpacking import Examined

GOES_ON = "what went in stays, and the same command again goes on to the end"

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Files or folders to import; - is standard input.")]
Scope = Annotated[str, typer.Option(metavar="SCOPE", help="A stream, an organisation, or * for everything.")]
TheReason = Annotated[Reason, typer.Option(help="The reason of rows that give none.")]
Format = Annotated[
    str, typer.Option("--format", metavar="NAME", help="What the files are, if it is not to be found out.")
]
Mapped = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="OURS=THEIRS", help=f"{', '.join(COLUMNS)}=COLUMN; may be repeated."),
]
ListName = Annotated[
    str | None, typer.Option("--list", metavar="NAME", help="What a hash list is known by; else its file's name.")
]
Hashing = Annotated[
    HashedFrom, typer.Option("--hashed-from", help="Whether digests are of addresses in small letters.")
]
RejectsFile = Annotated[
    Path | None, typer.Option("--rejects", metavar="FILE", help="Write bad rows to FILE, to be mended.")
]
MaxErrors = Annotated[
    int | None, typer.Option("--max-errors", metavar="N", min=0, help="Stop after more bad rows of a file than this.")
]
MoveTo = Annotated[
    Path | None,
    typer.Option("--move-to", metavar="DIR", help="Move files there that are done.", file_okay=False, exists=True),
]


def import_files(
    context: typer.Context,
    files: Files,
    *,
    scope: Scope = ALL,
    reason: TheReason = Reason.IMPORTED,
    file_format: Format = "auto",
    mapped: Mapped = None,
    list_name: ListName = None,
    hashed_from: Hashing = "lower",
    rejects: RejectsFile = None,
    max_errors: MaxErrors = None,
    move_to: MoveTo = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put every address, domain and digest of files on the list.

    Good rows go in and bad ones are shown with their line; exit code 1 if there were any. The same file again changes
    nothing, and an import that was interrupted goes on when it is started again.

    Example: consentmilter import opted-out.csv --scope acme.newsletter --reason unsubscribe
    """
    command: Command = context.obj
    terms = Terms(
        command.scope(scope), reason, command.ring, command.site.foldings, command.config.privacy.store_addresses,
        _format(file_format), _columns(mapped or []), list_name, hashed_from, max_errors,
    )  # fmt: skip
    run = _Imports(command, terms, dry_run=dry_run, as_json=as_json, move_to=None if dry_run else move_to)
    try:
        with Rejects(rejects) as run.rejects:
            run.import_all(named(files))
    except KeyboardInterrupt:
        say("interrupted" if dry_run else f"interrupted: {GOES_ON}")
        raise typer.Exit(INTERRUPTED) from None
    finally:  # what was done before a fault is told, too
        run.tell()
    raise typer.Exit(run.code)


class _Imports:
    """The imports of one command, one after the other."""

    def __init__(self, command: Command, terms: Terms, *, dry_run: bool, as_json: bool, move_to: Path | None) -> None:
        self._command, self._terms = command, terms
        self._dry_run, self._as_json, self._move_to = dry_run, as_json, move_to
        self._reports: list[Report] = []
        self._failed = False
        self.rejects = Rejects(None)

    @property
    def code(self) -> int:
        if self._failed:
            return WRONG_USAGE
        return 1 if any(report.bad or report.stopped for report in self._reports) else 0

    def import_all(self, files: list[Named]) -> None:
        """Import the files; one that cannot be understood does not keep the others out."""
        self.rejects.refuse_among(Path(file.name) for file in files)
        for file in files:
            try:
                with ExitStack() as stack:
                    self._import(opened(file, stack))
            except UsageError as error:
                self._failed = True
                say(f"error: {error}")

    def tell(self) -> None:
        """Say what was done, as far as it was not said before."""
        for path in self.rejects.written:
            say(f"{printable(str(path))}: the bad rows, to be mended and imported")
        if self._as_json and (self._reports or not self._failed):
            put_json([_data(report) for report in self._reports])

    def _import(self, source: Source) -> None:
        try:
            report = _One(self._command, source, self._terms, self.rejects).run(dry_run=self._dry_run)
        except HeaderError as error:
            mend = f"; run: {_again()} {error.mend}" if error.mend else ""
            raise UsageError(f"{printable(source.name)}: {error}{mend}") from error
        except UsageError as error:
            raise UsageError(f"{printable(source.name)}: {error}") from error
        self._reports.append(report)
        if not self._as_json:
            put([_line(report, dry_run=self._dry_run)])
        if self._move_to is not None and not report.stopped:
            target = put_away(source, self._move_to)
            say(f"{printable(source.name)}: " + (f"moved to {printable(str(target))}" if target else "not moved"))


class _One:
    """The import of one file, and what is told while it runs."""

    def __init__(self, command: Command, source: Source, terms: Terms, rejects: Rejects) -> None:
        self._command, self._source, self._terms = command, source, terms
        self._name = printable(source.name)
        self._bad_rows = BadRows(self._name, rejects)
        self._begun = False

    def run(self, *, dry_run: bool) -> Report:
        try:
            with meter(self._source.name, self._source.size) as move:
                return asyncio.run(self._work(move, dry_run=dry_run))
        except StoreError:
            if self._begun and not dry_run:
                say(f"{self._name}: {GOES_ON}")
            raise

    async def _work(self, move: Any, *, dry_run: bool) -> Report:
        def progress(state: Progress) -> None:
            self._begun = True
            move(state)

        watch, file, name = Watch(self._recognised, self._bad_rows, progress), self._source.file, self._source.name
        async with store(self._command) as opened_:
            if dry_run:
                return await preview_file(opened_, file, name, terms=self._terms, watch=watch)
            return await import_file(opened_, file, name, terms=self._terms, actor=actor(), watch=watch)

    def _recognised(self, plan: Plan, examined: Examined) -> None:
        self._bad_rows.plan = plan
        if self._terms.file_format is None:
            say(f"{self._name}: taken for {plan.title} ({printable(plan.why)})")
        if examined.notice:
            say(f"{self._name}: {examined.notice}")


def _format(name: str) -> str | None:
    if name == "auto":
        return None
    if name not in FORMATS:
        close = get_close_matches(name, FORMATS, n=1)
        mend = f"did you mean {close[0]}?" if close else f"use auto, {', '.join(FORMATS)}"
        raise UsageError(f"--format: unknown format {name!r} ({mend})")
    return name


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


def _again() -> str:
    """The command line, as it was given."""
    return printable(shlex.join(["consentmilter", *sys.argv[1:]]))


def _line(report: Report, *, dry_run: bool) -> str:
    name = printable(report.file)
    if report.finished is not None:
        when = f"{report.finished:%Y-%m-%d %H:%M} UTC"
        return f"{name}: imported already on {when} as batch {report.batch}, nothing changed"
    counts = f"{report.new} new, {report.known} known, {report.bad} bad"
    for kind, number in sorted(report.skipped.items()):
        counts += f", {number} skipped: {printable(kind)}"
    told = f"{name} ({report.file_format}): {counts} of {report.rows} rows"
    if dry_run:
        return f"{told} (dry run, nothing changed)"
    if report.stopped:
        return f"{told}, batch {report.batch}, stopped after too many bad rows: {GOES_ON}"
    return f"{told}, batch {report.batch}{', gone on with after an interruption' if report.resumed else ''}"


def _data(report: Report) -> dict[str, Any]:
    finished = report.finished.isoformat() if report.finished else None
    return asdict(replace(report, skipped=Counter())) | {"finished": finished, "skipped": dict(report.skipped)}
