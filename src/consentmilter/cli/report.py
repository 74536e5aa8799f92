"""`consentmilter report`: what enforcing would have done, and who used which exemption."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Literal

import typer

from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.since import Since, since_time
from consentmilter.cli.site import Command
from consentmilter.service.places import journal_url
from consentmilter.store import exemptions, tallies
from consentmilter.store.tallies import Tally

What = Annotated[
    Literal["observed", "exemptions"],
    typer.Argument(metavar="WHAT", help="observed, what would have been refused, or exemptions, who bypassed what."),
]


def report(context: typer.Context, what: What = "observed", *, since: Since = None, as_json: AsJson = False) -> None:
    """Count what would have been refused, and exempt mail.

    `observed` has the streams with the most of what would have been refused first, and of each verdict and reason.
    `exemptions` has of each exempt category and principal how much went out, and what it bypassed.

    Example: consentmilter report exemptions --since 30d
    """
    command: Command = context.obj
    begin = since_time(since)
    match what:
        case "observed":
            data, lines = _observed(command, begin)
        case "exemptions":
            data, lines = _exemptions(command, begin)
    if as_json:
        put_json(data)
    else:
        put(lines)


def _observed(command: Command, since: datetime | None) -> tuple[Any, Iterator[str]]:
    url = journal_url(command.config)
    streams = sorted(tallies.would_be(url, since, ["stream"]), key=lambda each: -each.count)
    verdicts = sorted(tallies.would_be(url, since, ["stream", "verdict", "reason"]), key=lambda each: -each.count)
    data = [
        {
            "stream": stream.values[0],
            "count": stream.count,
            "people": stream.people,
            "first": stream.first.isoformat(),
            "last": stream.last.isoformat(),
            "verdicts": [_verdict(each) for each in verdicts if each.values[0] == stream.values[0]],
        }
        for stream in streams
    ]
    return data, _observed_lines(data)


def _verdict(tally: Tally) -> dict[str, Any]:
    _, verdict, reason = tally.values
    return {"verdict": verdict, "reason": reason, "count": tally.count}


def _observed_lines(data: list[dict[str, Any]]) -> Iterator[str]:
    if not data:
        yield "nothing would have been refused"
    for stream in data:
        name = printable(stream["stream"] or "no stream")
        times = f"first {_minute(stream['first'])}, last {_minute(stream['last'])}"
        yield f"{name}: {stream['count']} to {_counted(stream['people'], 'person', 'people')}, {times}"
        for each in stream["verdicts"]:
            yield f"  {each['verdict']} {printable(each['reason'] or '')}: {each['count']}"


@dataclass
class _Line:
    """What a principal did with a category."""

    used: int = 0
    bypassed: Counter[str] = field(default_factory=Counter)
    unverified: int = 0
    over_limit: int = 0
    first: str | None = None
    last: str | None = None


def _exemptions(command: Command, since: datetime | None) -> tuple[Any, Iterator[str]]:
    url, behind = journal_url(command.config), command.site.loop.second
    lines: dict[tuple[str, str], _Line] = {}

    def line(category: str, principal: str) -> _Line:
        return lines.setdefault((category, principal), _Line())

    for use in exemptions.used(command.config.store.url, since):
        each = line(use.category, use.principal)
        each.used, each.first, each.last = use.count, use.first.isoformat(), use.last.isoformat()
    for tally in tallies.bypassed(url, since, behind):
        category, principal, reason = tally.values
        line(category, principal).bypassed[reason] += tally.count
    for tally in tallies.unverified(url, since, behind):
        line(*tally.values).unverified += tally.count
    for tally in tallies.over_limit(url, since):
        line(*tally.values).over_limit += tally.count
    data = [
        {
            "category": category,
            "principal": principal,
            "used": each.used,
            "first": each.first,
            "last": each.last,
            "bypassed": each.bypassed.total(),
            "reasons": dict(each.bypassed.most_common()),
            "unverified": each.unverified,
            "over_limit": each.over_limit,
        }
        for (category, principal), each in sorted(lines.items())
    ]
    return data, _exemption_lines(data)


def _exemption_lines(data: list[dict[str, Any]]) -> Iterator[str]:
    if not data:
        yield "no exemption was used"
    for each in data:
        days = f" from {each['first']} to {each['last']}" if each["first"] else ""
        yield f"{printable(each['category'])} by {printable(each['principal'])}: {each['used']} sent{days}"
        if each["bypassed"]:
            reasons = ", ".join(f"{reason} {count}" for reason, count in each["reasons"].items())
            yield f"  opt-outs bypassed: {each['bypassed']} ({printable(reasons)})"
        if each["unverified"]:
            yield f"  sent while the list could not be asked: {each['unverified']}"
        if each["over_limit"]:
            yield f"  over the limit: {each['over_limit']}"


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _minute(time: str) -> str:
    return f"{time[:16].replace('T', ' ')} UTC"
