"""The bar that shows on a terminal how far an import is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def bar(name: str, size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error, and yield what moves it to so many octets of `size`."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(name), total=size)
        yield lambda octets: progress.update(task, completed=octets)
