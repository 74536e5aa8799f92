"""A time that somebody writes to say from when on: a date, a time, or how long ago.

Raises `UsageError`.
"""

import re
from datetime import datetime, timedelta
from typing import Annotated

import typer

from consentmilter.cli.site import now
from consentmilter.cli.times import utc_time
from consentmilter.errors import UsageError

Since = Annotated[
    str | None, typer.Option(metavar="TIME", help="From then on, such as 2026-02-01, or 7d for the last seven days.")
]

_AGO = re.compile(r"(\d{1,5})([hd])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1)}


def since_time(text: str | None) -> datetime | None:
    """The time that is meant; None if nothing was said."""
    if text is None:
        return None
    try:
        if ago := _AGO.fullmatch(text):
            return now() - int(ago[1]) * _UNITS[ago[2]]
        return utc_time(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--since: {text!r} is no time (write 2026-02-01, 2026-02-01T12:30:00Z, 12h or 7d)") from None
