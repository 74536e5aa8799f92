"""Measurements as a Markdown table, with what a reader needs to repeat them. Raises nothing of its own."""

import datetime as dt
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence

from bench.rounds import Measurement, mode


def markdown(measurements: Sequence[Measurement], command: Sequence[str]) -> str:
    """One table a load, below the conditions."""
    return "\n".join(
        [*conditions(command, _load(measurements)), *(line for m in measurements for line in ("", *_table(m)))]
    )


def conditions(command: Sequence[str], load: str) -> list[str]:
    """When, how and on what something was measured."""
    return [
        f"- Date: {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC",
        f"- Command: `{shlex.join(command)}`",
        f"- Load: {load}",
        f"- Machine: {os.cpu_count()} cores, {platform.machine()}, Linux {platform.release()}",
        f"- Postfix {_postfix_version()}, Python {platform.python_version()}",
    ]


def _load(measurements: Sequence[Measurement]) -> str:
    load = measurements[0].load
    rounds = len(next(iter(measurements[0].rates.values())))
    return f"{load.messages} messages of {load.length} octets over {load.sessions} sessions, {rounds} rounds"


def _table(measurement: Measurement) -> list[str]:
    names = list(measurement.rates)
    # The first contender is what all are compared with, the second what the others are.
    bases = names[:2]
    head = ["contender", "messages/s (median)", "lowest", "highest", *(f"of {base}" for base in bases)]
    rows = [_row(measurement, name, bases) for name in names]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return [f"{mode(measurement.load).capitalize()}:", "", *("| " + " | ".join(line) + " |" for line in lines)]


def _row(measurement: Measurement, name: str, bases: Sequence[str]) -> list[str]:
    rates = measurement.rates[name]
    ratios = (f"{measurement.ratio(name, base):.0%}" for base in bases)
    return [name, f"{measurement.median(name):.0f}", f"{min(rates):.0f}", f"{max(rates):.0f}", *ratios]


def _postfix_version() -> str:
    printed = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, text=True, check=False)
    return printed.stdout.strip() or "of unknown version"
