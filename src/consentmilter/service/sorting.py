"""Sort more lines than memory should hold: sorted runs in temporary files, merged at the end.

The files have no name, so nothing of them is left behind, whatever ends the process. Raises OSError.
"""

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from typing import IO, Self

RUN_LINES = 100_000


class Sorter:
    """Lines, which come back sorted and each once; a context that closes its files."""

    def __init__(self, run_lines: int = RUN_LINES) -> None:
        self._run_lines = run_lines
        self._run: set[str] = set()
        self._files: list[IO[str]] = []
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._open.close()

    def add(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._run.add(line)
            if len(self._run) >= self._run_lines:
                self._put_aside()

    def sorted(self) -> Iterator[str]:
        """All lines that were added."""
        for file in self._files:
            file.seek(0)
        return (line for line, _ in groupby(heapq.merge(*self._files, sorted(self._run))))

    def _put_aside(self) -> None:
        file = self._open.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n"))  # noqa: SIM115 - the stack closes it
        file.writelines(sorted(self._run))
        self._files.append(file)
        self._run.clear()
