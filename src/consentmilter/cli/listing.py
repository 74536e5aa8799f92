"""Much data on standard output, as it is read, and a bar on a terminal for whoever waits."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from consentmilter.cli.output import put


@contextmanager
def array() -> Iterator[Callable[[Iterable[Any]], None]]:
    """A JSON list that is written some items at a time; one that breaks off in the middle is no JSON, and shows it."""
    before = "["

    def put_each(items: Iterable[Any]) -> None:
        nonlocal before
        lines = []
        for item in items:
            lines.append(f"{before}\n  {json.dumps(item)}" if before == "[" else f"{before} {json.dumps(item)}")
            before = " ,"
        put(lines)

    yield put_each
    put([f"{before if before == '[' else ''}]"])


@contextmanager
def bar(name: str) -> Iterator[Callable[[float], None]]:
    """Told which part is done; on no terminal nothing is shown."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda _part: None
        return
    from rich.console import Console  # noqa: PLC0415 - it takes long to load what draws the bar
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - likewise

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=1.0)
        yield lambda part: progress.update(task, completed=part)
