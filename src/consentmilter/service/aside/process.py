"""The second process of an import, as the import sees it.

Raises StoreError if the process cannot be started, cannot put rows aside, or ends by itself.
"""

import fcntl
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from select import select
from types import TracebackType
from typing import Any, Self

from consentmilter.errors import StoreError
from consentmilter.importers import BadRow
from consentmilter.service.aside.order import Order
from consentmilter.service.aside.pipe import Word, receive, send
from consentmilter.service.parsing import Told
from consentmilter.store.postgres.copy_binary import Copy
from consentmilter.store.ready import Rows, Sources, Written
from consentmilter.store.said import Columns
from consentmilter.store.staging import Run
from consentmilter.store.values import Source

_COMMAND = [sys.executable, "-P", "-m", "consentmilter.service.aside.main"]
_PIPE_OCTETS = 1 << 20
"""As much as Linux lets anybody have: a chunk of rows, while the one before it goes into the store."""


class Aside:
    """The process; a context that ends it."""

    def __init__(self, files: Collection[int]) -> None:
        """Start it, with these descriptors; it loads what it needs meanwhile, and waits for its order."""
        try:
            self._process = subprocess.Popen(
                _COMMAND, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=tuple(files)
            )
        except OSError as error:
            raise StoreError(f"cannot start the second process of the import: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        with suppress(OSError):  # whoever has many pipes already may have no more memory for them
            fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, _PIPE_OCTETS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        with self._process:  # closes the pipes and waits
            pass

    def begin(self, order: Order) -> None:
        """Have it read its part of the file."""
        self._say("order", pickle.dumps(order))

    def has_spoken(self) -> bool:
        """Whether something of what it tells has come."""
        return bool(select([self._out], [], [], 0)[0])

    def told(self) -> Told | None:
        """What it tells next of its part of the file; None at the end of it."""
        word, value = self._heard("told", "read")
        if word == "read":
            return None
        rows, bad, skipped, octets = value
        return Told(rows, [BadRow(*row) for row in bad], Counter(skipped), octets)

    def count(self, others: Mapping[str | None, tuple[list[Run], int]]) -> Mapping[str | None, "Given"]:
        """Have it take the rows that the import has read, for how many there are of each list, and all rows by list."""
        told = {name: ([tuple(run) for run in runs], count) for name, (runs, count) in others.items()}
        self._say("others", told)
        _, counts = self._heard("counts")
        return {name: Given(self, name, count) for name, count in counts.items()}

    def rows(self, name: str | None, size: int, sources: Sources | None) -> Iterator[Rows]:
        """The rows of a list by key, so many at a time; in writing, they are recorded when the process makes them."""
        self._say("give", (name, size, sources and astuple(sources())))
        while (answer := self._heard("rows", "given"))[0] == "rows":
            count, digest, told, written = answer[1]
            yield Rows(count, digest, Columns(told), _written(*written) if written else None)

    def _say(self, word: Word, value: Any) -> None:
        try:
            send(self._in, word, value)
        except BrokenPipeError:
            raise self._ended() from None

    def _heard(self, *expected: Word) -> tuple[Word, Any]:
        try:
            word, value = receive(self._out)
        except EOFError:
            raise self._ended() from None
        if word == "store error":
            raise StoreError(value)
        assert word in expected, f"{word} in place of {expected}"
        return word, value

    def _ended(self) -> StoreError:
        return StoreError(f"the second process of the import ended by itself (code {self._process.wait()})")


@dataclass(frozen=True, slots=True)
class Given:
    """The rows of one list, which the process has."""

    aside: Aside
    name: str | None
    count: int

    def __len__(self) -> int:
        return self.count

    def ready(self, rows: int, sources: Sources | None = None) -> Iterator[Rows]:
        return self.aside.rows(self.name, rows, sources)


def _written(source: Sequence[Any], copy: Sequence[Any]) -> Written:
    return Written(Source(*source), Copy(*copy))
