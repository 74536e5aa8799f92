"""`consentmilter stats`: the journal as statistics, by time, stream, verdict and reason, and of nobody by name."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal

import typer

from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.since import Since, since_time
from consentmilter.cli.site import Command
from consentmilter.service.places import journal_url
from consentmilter.store.tallies import Tally, by_time

_SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_COLUMNS = ("from", "stream", "verdict", "reason", "count")


def stats(
    context: typer.Context,
    *,
    by: Annotated[
        Literal["hour", "day"], typer.Option("--by", metavar="SPAN", help="What is counted together: an hour or a day.")
    ] = "day",
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="This stream only.")] = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Count decisions by time, stream, verdict and reason.

    Mail that was accepted with nothing to tell is in the log only, and not counted.

    Example: consentmilter stats --since 7d
    """
    command: Command = context.obj
    if stream is not None:
        command.streams(stream)
    width = int(_SPANS[by].total_seconds())
    rows = [_row(each) for each in by_time(journal_url(command.config), since_time(since), width, stream)]
    if as_json:
        put_json(rows)
    else:
        put(_lines(rows, by))


def _row(tally: Tally) -> dict[str, Any]:
    begin, stream, verdict, reason = tally.values
    return dict(zip(_COLUMNS, (begin.isoformat(), stream, verdict, reason, tally.count), strict=True))


def _lines(rows: list[dict[str, Any]], by: str) -> Iterator[str]:
    """The rows in columns, as wide as what stands in them."""
    length = len("2026-02-01") if by == "day" else len("2026-02-01T12:00")
    cells = [_COLUMNS, *((row["from"][:length].replace("T", " "), *_texts(row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for *left, count in cells:
        yield "  ".join(
            [*(text.ljust(width) for text, width in zip(left, widths, strict=False)), count.rjust(widths[-1])]
        )


def _texts(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(printable(str(row[name] or "-")) for name in _COLUMNS[1:])
