"""What `explain --at` tells besides: mail around a time that is past, and what nobody can know of that time any more.

Raises `UsageError` for a time that is none, or still to come.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from consentmilter.cli.output import printable
from consentmilter.cli.site import now
from consentmilter.cli.times import is_day, utc_end
from consentmilter.errors import UsageError
from consentmilter.service.timeline import AROUND, Mail, Past
from consentmilter.store.journal import JournalRow

At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="As it was then, such as 2026-03-01T12:30:00Z; a day counts to its end."),
]

_TOLD = ("verdict", "mode", "reason", "stream", "category", "scope", "login", "client", "queue_id", "ref", "detail")


def past_time(text: str) -> datetime:
    """The time that is meant."""
    try:
        at = utc_end(text)
        return min(at, now()) if is_day(text) and at.date() == now().date() else _past(at, text)
    except (ValueError, OverflowError):
        raise UsageError(f"--at: {text!r} is no time (write 2026-03-01 or 2026-03-01T12:30:00Z)") from None


def mail_data(row: JournalRow) -> dict[str, Any]:
    return {"at": row.at.isoformat(), **{name: getattr(row, name) for name in _TOLD}}


def mail_line(row: dict[str, Any]) -> str:
    about = {
        name: row[name] for name in ("reason", "scope", "login", "client", "detail", "queue_id", "ref") if row[name]
    }
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in about.items())
    observed = ", only observed" if row["mode"] == "observe" else ""
    return printable(f"{row['at'][:19].replace('T', ' ')} UTC {row['stream']}: {row['verdict']}{observed} ({told})")


def notes(found: Past, mail: Mail, at: datetime) -> Iterator[str]:
    """What is not known, or not as sure as it looks."""
    yield "the verdicts are those of today's configuration on what stood then"
    yield "a plain accept is not journalled: what is not listed was let through or never sent, as the mail log tells"
    if mail.since is None or mail.since > at - AROUND:
        begun = f"begins on {mail.since:%Y-%m-%d %H:%M} UTC" if mail.since else "is empty"
        yield f"the journal {begun}: of what was before, nothing is known"
    for batch in found.running:
        yield f"the import {batch} was running: which of its rows stood already is not known"
    if found.erased:
        yield "personal fields of some entries were erased since: what stood may have ended earlier, or begun then"


def _past(at: datetime, text: str) -> datetime:
    if at > now():
        raise UsageError(f"--at: {text} is still to come")
    return at
