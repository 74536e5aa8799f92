"""How far an import is, for whoever waits: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from consentmilter.cli.output import printable, say
from consentmilter.service.importing import Progress

EVERY = 5.0
"""Seconds between two lines."""

Move = Callable[[Progress], None]


@contextmanager
def meter(name: str, size: int) -> Iterator[Move]:
    """What is told of the progress of an import of a file of so many octets."""
    if sys.stderr is not None and sys.stderr.isatty():
        with _bar(name, size) as move:
            yield move
    else:
        yield _lines(name, size)


@contextmanager
def _bar(name: str, size: int) -> Iterator[Move]:
    from rich.console import Console  # noqa: PLC0415 - it takes long to load what draws the bar
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - likewise
    from rich.table import Column  # noqa: PLC0415 - likewise

    columns = (
        # Where there is no room for all, the name is cut, and the share is the last to go.
        TextColumn("{task.percentage:>3.0f}%", table_column=Column(no_wrap=True, min_width=4)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=1)),
        TextColumn("{task.fields[counts]}", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        shown = printable(name.rpartition("/")[2])
        task = progress.add_task(shown if len(shown) <= 30 else f"{shown[:29]}…", total=1, counts="")
        begun = time.monotonic()
        yield lambda state: progress.update(task, completed=_share(state, size), counts=_counts(state, begun))


def _lines(name: str, size: int) -> Move:
    begun = told = time.monotonic()

    def move(state: "Progress") -> None:
        nonlocal told
        now = time.monotonic()
        share = _share(state, size)
        if now - told >= EVERY and share:
            told = now
            left = (now - begun) * (1 - share) / share
            say(f"{printable(name)}: {share:.0%}, {_counts(state, begun)}, {left:.0f} s left")

    return move


def _share(state: Progress, size: int) -> float:
    """How much of the work is done; to read a file and to store it take about as long."""
    read = min(state.octets / size, 1.0) if size else 1.0
    return (read + (state.stored / state.to_store if state.to_store else 0)) / 2


def _counts(state: Progress, begun: float) -> str:
    rate = state.rows / max(time.monotonic() - begun, 0.001)
    stored = f", {state.stored} stored" if state.to_store else ""
    return f"{state.rows} rows{stored}, {rate:.0f} rows/s"
