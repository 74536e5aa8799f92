"""The store for the mail path: which suppressions there are for some subjects, answered before a deadline.

Synchronous, and callable from any number of threads. A look-up is one statement, whatever the number of recipients; the
statement is compiled once for each of a few sizes and goes to the driver directly. Raises StoreBusyError when the
deadline passes, StoreSetupError for a database that is missing or may not be served from, StoreError for whatever else;
for a second after any of these, further calls fail at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from consentmilter.errors import StoreError
from consentmilter.model import Suppression
from consentmilter.store.breaker import Breaker
from consentmilter.store.dialect import DIALECT
from consentmilter.store.rows import to_suppression
from consentmilter.store.schema import suppression
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.pool import Pool

_SIZES = (4, 8, 16, 64, 256, 1000)
"""Numbers of keys that a statement exists for; fewer keys are filled up by repeating the last one."""


class Reader:
    """Look-ups in one store."""

    def __init__(
        self,
        url: str,
        key_checks: Mapping[str, bytes],
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `deadline` in seconds a call. Opens nothing: a store that is away now may be back at the first call."""
        path = files.database_path(url)
        self._deadline = deadline
        self._clock = clock
        self._pool = Pool(path, key_checks, clock)
        self._breaker = Breaker(clock, lease=deadline)
        self._cause = ""

    def suppressions(self, subjects: Sequence[bytes]) -> list[Suppression]:
        """Every suppression of these subject keys, whatever its scope and whether expired or not."""
        if not self._breaker.allows():
            raise StoreError(f"the store is given a rest after a failure: {self._cause}")
        try:
            found = self._look_up(subjects)
        except StoreError as error:
            self._cause = str(error)
            self._breaker.failure()
            raise
        self._breaker.success()
        return found

    def close(self) -> None:
        """Close the connections. A session that looks up later still gets its answer, on a connection of its own."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _look_up(self, subjects: Sequence[bytes]) -> list[Suppression]:
        deadline = self._clock() + self._deadline
        if len(subjects) > _SIZES[-1]:
            subjects = list(dict.fromkeys(subjects))  # one subject in two statements would come back twice
        found: list[Suppression] = []
        for start in range(0, len(subjects), _SIZES[-1]):
            chunk = subjects[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(chunk))
            rows = self._pool.fetch(_statement(size), (*chunk, *(chunk[-1],) * (size - len(chunk))), deadline)
            found.extend(map(to_suppression, rows))
        return found


@cache
def _statement(size: int) -> str:
    """The look-up of `size` subjects, with as many question marks, in the driver's own language."""
    subjects = [sa.bindparam(f"subject{number}", type_=sa.LargeBinary) for number in range(size)]
    query = sa.select(suppression).where(suppression.c.subject.in_(subjects))
    return str(query.compile(dialect=DIALECT))
