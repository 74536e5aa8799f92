"""The store for the mail path: which suppressions and consents some subjects have, answered before a deadline.

Synchronous, and callable from any number of threads. A look-up is one statement, whatever the number of recipients; the
statement is compiled once for each of a few sizes and goes to the driver directly. Raises StoreBusyError when the
deadline passes, StoreSetupError for a database that is missing or may not be served from, StoreError for whatever else;
for a second after any of these, further calls fail at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import repeat
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa

from consentmilter.errors import StoreError
from consentmilter.keys import SUBJECT_OCTETS
from consentmilter.policy.facts import Facts
from consentmilter.store.breaker import Breaker
from consentmilter.store.dialect import DIALECT
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.pool import Pool
from consentmilter.store.standing import facts_by_key, to_facts

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

    def look_up(self, subjects: Sequence[bytes]) -> Facts:
        """Every suppression and consent of these subject keys and digests, whatever its scope, expired ones too."""
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

    def _look_up(self, subjects: Sequence[bytes]) -> Facts:
        deadline = self._clock() + self._deadline
        if len(subjects) > _SIZES[-1]:
            subjects = list(dict.fromkeys(subjects))  # one subject in two statements would come back twice
        rows: list[Sequence[Any]] = []
        for start in range(0, len(subjects), _SIZES[-1]):
            keys = subjects[start : start + _SIZES[-1]]
            # Digests of other lengths than a subject key's can stand in hash lists only.
            own = [key for key in keys if len(key) == SUBJECT_OCTETS] or keys[-1:]
            size, own_size = _size(keys), _size(own)
            of_people = [*own, *repeat(own[-1], own_size - len(own))]
            values = [*of_people, *keys, *repeat(keys[-1], size - len(keys)), *of_people]
            rows += self._pool.fetch(_statement(own_size, size), values, deadline)
        return to_facts(rows)


def _size(keys: Sequence[bytes]) -> int:
    return next(size for size in _SIZES if size >= len(keys))


@cache
def _statement(subjects: int, keys: int) -> str:
    """The look-up of so many subjects, and of so many keys in hash lists, in the driver's own language."""
    of_people = [sa.bindparam(f"subject{number}", type_=sa.LargeBinary) for number in range(subjects)]
    of_lists = [sa.bindparam(f"key{number}", type_=sa.LargeBinary) for number in range(keys)]
    return str(facts_by_key(of_people, of_lists).compile(dialect=DIALECT))
