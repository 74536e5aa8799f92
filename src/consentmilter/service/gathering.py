"""The rows of a file on their way to the store: read and gathered here, or with a second process where it is large.

    with gathering(store, file) as rows:
        for told in rows.read(job, cutting):
            ...
        for list_name, some in rows.by_list().items():
            await import_staged(store, batch, some, actor, list_name=list_name)

Raises `UsageError` for a file that cannot be read, and StoreError where its rows cannot be kept.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from typing import BinaryIO, NamedTuple, Protocol, cast

from consentmilter.service.aside.order import Order, Part
from consentmilter.service.aside.process import Aside
from consentmilter.service.bulk import Gathered
from consentmilter.service.halves import Cut, Cutting, Half
from consentmilter.service.parsing import Job, Told, chunks
from consentmilter.service.staged import Staged
from consentmilter.store.writer import Store

LARGE = 1 << 22
"""Octets of a file from which a second process is worth its start; some 70,000 rows."""


class Gathering(Protocol):
    """Reads a file once, and then has its rows."""

    @property
    def ahead(self) -> int:
        """Rows that have been read, but not told of yet, since others come before them."""

    def read(self, job: Job, cutting: Cutting | None) -> Iterator[Told]:
        """Read the file, and tell of all rows in its order; `cutting` knows where it can be cut in two."""

    def by_list(self) -> Mapping[str | None, Gathered]:
        """The rows for each list, None for people and domains; if it was not read to its end, some of them."""


@contextmanager
def gathering(store: Store, file: BinaryIO) -> Iterator[Gathering]:
    """Make ready to read a file: a second process may start while the file is examined."""
    with store.spill() as spill:
        if os.fstat(file.fileno()).st_size < LARGE:
            yield _Alone(Staged(spill), file)
            return
        with store.spill() as theirs:
            files = _Files(file.fileno(), theirs.file.fileno(), spill.file.fileno())
            with Aside(files) as aside:
                yield _Together(Staged(spill), aside, file, files)


class _Files(NamedTuple):
    """The descriptors that both processes have."""

    file: int
    spill: int
    others: int


class _Alone:
    """Does all of it in this process."""

    ahead = 0

    def __init__(self, staged: Staged, file: BinaryIO) -> None:
        self._staged, self._file = staged, file

    def read(self, job: Job, cutting: Cutting | None) -> Iterator[Told]:
        for chunk in chunks(self._file, job):
            self._staged.add(chunk)
            yield chunk.told

    def by_list(self) -> Mapping[str | None, Gathered]:
        return self._staged.by_list


class _Together:
    """Reads the first part of a file, while a second process reads the other."""

    def __init__(self, staged: Staged, aside: Aside, file: BinaryIO, files: _Files) -> None:
        self._staged, self._aside, self._file, self._files = staged, aside, file, files
        self._waiting: deque[Told | None] = deque()
        self._done = False

    @property
    def ahead(self) -> int:
        return sum(told.rows for told in self._waiting if told)

    def read(self, job: Job, cutting: Cutting | None) -> Iterator[Told]:
        own = theirs = 0
        for chunk in chunks(self._shared(job, _cut(job, cutting)), job):
            self._staged.add(chunk)
            self._listen()
            own, theirs = chunk.octets, max((told.octets for told in self._waiting if told), default=0)
            yield replace(chunk.told, octets=own + theirs)
        while (told := self._waiting.popleft() if self._waiting else self._aside.told()) is not None:
            theirs = max(theirs, told.octets)
            yield replace(told, octets=own + theirs)
        self._done = True

    def _shared(self, job: Job, cut: Cut | None) -> BinaryIO:
        """Have the other process begin with what is behind the cut, and return what is before it."""
        octets = os.fstat(self._files.file).st_size
        part = Part(cut.octet, octets, cut.lines) if cut else None
        self._aside.begin(Order(replace(job, plan=replace(job.plan, header=False)), part, *self._files))
        return cast(BinaryIO, BufferedReader(Half(self._files.file, 0, cut.octet))) if cut else self._file

    def by_list(self) -> Mapping[str | None, Gathered]:
        if not self._done:  # of what the other has read nobody knows
            return self._staged.by_list
        return self._aside.count({name: (rows.put_aside(), len(rows)) for name, rows in self._staged.by_list.items()})

    def _listen(self) -> None:
        """Hear what the other tells meanwhile, but from bad rows on leave it waiting: those here come before."""
        while not (self._waiting and _is_last(self._waiting[-1])) and self._aside.has_spoken():
            self._waiting.append(self._aside.told())


def _cut(job: Job, cutting: Cutting | None) -> Cut | None:
    """Where the file is cut, if it is a row a line."""
    if cutting is None or job.plan.shape == "json":
        return None
    return cutting.cut(quotable=job.plan.shape == "csv")


def _is_last(told: Told | None) -> bool:
    return told is None or bool(told.bad)
