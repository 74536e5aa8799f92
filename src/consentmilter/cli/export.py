"""`consentmilter export`: write the list into a file, or to standard output."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, BinaryIO, Literal, TypeVar

import typer

from consentmilter.cli.destination import STDOUT, destination
from consentmilter.cli.output import AsJson, printable, put_json, say
from consentmilter.cli.site import Command
from consentmilter.cli.times import utc_time
from consentmilter.cli.writing import actor, store
from consentmilter.errors import UsageError
from consentmilter.exporters import Left, Lost
from consentmilter.model import ALL, Reason
from consentmilter.service.exporting import CHANGES, Order, Report
from consentmilter.service.exporting import export as export_list
from consentmilter.store.exports import Choice

FileFormat = Annotated[
    Literal["csv", "jsonl", "changes", "postfix", "sha256", "sha1", "md5", "sendgrid", "ses", "mailgun", "postmark"],
    typer.Option("--format", help="How the list is written."),
]
Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="This reason only; may be repeated.")]
After = Annotated[str | None, typer.Option(metavar="TIME", help="What holds since then or later, such as 2026-02-01.")]
Since = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="What changed since the export that gave this cursor.")
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")]

_Name = TypeVar("_Name", Left, Lost)

_LEFT = {
    Left.NO_ADDRESS: "without an address",
    Left.DOMAIN: "for domains",
    Left.HASH: "of hash lists",
    Left.EXPIRED: "expired",
    Left.UNWRITABLE: "with characters that the format cannot hold",
}
_LOST = {Lost.REASON: "the reason", Lost.SCOPE: "the scope", Lost.EXPIRES: "the end"}


def export(
    context: typer.Context,
    *,
    file_format: FileFormat = "csv",
    scope: Annotated[str | None, typer.Option(metavar="SCOPE", help="What stands in this scope only.")] = None,
    stream: Annotated[
        str | None, typer.Option(metavar="NAME", help="What holds for this stream, wider scopes included.")
    ] = None,
    reasons: Reasons = None,
    after: After = None,
    before: Annotated[str | None, typer.Option(metavar="TIME", help="What held before then already.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="ID", help="What this import made.")] = None,
    since: Since = None,
    output: Output = STDOUT,
    as_json: AsJson = False,
) -> None:
    """Write the list, or a part of it, for other programs.

    What the format leaves out or cannot say is told on standard error, and so is the cursor with which the next export
    goes on. Each export is noted in the ledger before anything is handed out.

    Example: consentmilter export --format sendgrid --stream acme.newsletter -o opted-out.csv
    """
    command: Command = context.obj
    order = Order(
        format=file_format,
        choice=Choice(
            scopes=_scopes(command, scope, stream),
            reasons=tuple(reasons or ()),
            after=_time("--after", after),
            before=_time("--before", before),
            batch=batch,
        ),
        key=_key(command),
        stream=stream,
        since=since,
    )
    if file_format == CHANGES and (after or before):
        raise UsageError("--format changes has no --after and --before: it begins with --since CURSOR")
    with destination(output) as file, _meter() as progress:
        report = asyncio.run(_export(command, file, order, progress))
    _conclude(report, output, as_json=as_json)


async def _export(command: Command, file: BinaryIO, order: Order, progress: Callable[[float], None]) -> Report:
    async with store(command) as opened:
        return await export_list(opened, file, order, actor(), progress)


def _scopes(command: Command, scope: str | None, stream: str | None) -> tuple[str, ...]:
    """The scopes that are meant; of a stream, every one that covers it."""
    if stream is not None:
        if scope is not None:
            raise UsageError("--scope and --stream: say one of them")
        command.streams(stream)
        labels = stream.split(".")
        return (ALL, *(".".join(labels[:end]) for end in range(1, len(labels) + 1)))
    if scope is not None and scope not in command.site.scopes():
        say(f"note: no stream of the configuration is in the scope {printable(scope)!r}")
    return () if scope is None else (scope,)


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return utc_time(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: {text!r} is no date (write 2026-02-01 or 2026-02-01T12:30:00Z)") from None


def _key(command: Command) -> str:
    """Which subject key is in use, as the store knows it, too."""
    name = f"subject-{command.ring.subject_id}"
    return f"{name}:{command.ring.checks()[name].hex()}"


@contextmanager
def _meter() -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, nothing elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _part: None
        return
    from rich.console import Console  # noqa: PLC0415 - it takes long to load what draws the bar
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - likewise

    columns = (TextColumn("export"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("export", total=1.0)
        yield lambda part: progress.update(task, completed=part)


def _conclude(report: Report, output: str, *, as_json: bool) -> None:
    """Say what was written, and what was not; as JSON on standard output where that is free."""
    if not as_json:
        for line in _lines(report, output):
            say(line)
    elif output == STDOUT:
        say(json.dumps(_data(report, output)))
    else:
        put_json(_data(report, output))


def _data(report: Report, output: str) -> dict[str, Any]:
    return {
        "file": output,
        "format": report.format,
        "rows": report.rows,
        "digest": report.digest,
        "left_out": {str(cause): report.tally.left[cause] for cause in Left},
        "lost": {str(what): report.tally.lost[what] for what in Lost},
        "lifted": report.lifted,
        "cursor": report.cursor,
    }


def _lines(report: Report, output: str) -> Iterator[str]:
    yield f"{printable(output)} ({report.format}): {report.rows} {'row' if report.rows == 1 else 'rows'}"
    if left := _counted(report.tally.left, _LEFT, "{count} {words}"):
        yield f"left out: {left}"
    if lost := _counted(report.tally.lost, _LOST, "{words} of {count}"):
        yield f"{report.format} cannot say: {lost}"
    if report.lifted:
        yield f"lifted since: {report.lifted} (only --format changes can tell)"
    yield f"cursor: {report.cursor}"


def _counted(counts: Counter[_Name], names: Mapping[_Name, str], form: str) -> str:
    return ", ".join(form.format(count=counts[each], words=words) for each, words in names.items() if counts[each])
