"""The store for the mail path: which suppressions and consents some subjects have, answered before a deadline.

Synchronous, and callable from any number of threads. A look-up is one statement, whatever the number of recipients;
digests are made and looked for only where there is a hash list, as the same statement tells. Raises StoreBusyError when
the deadline passes, StoreSetupError for a database that is missing or may not be served from, StoreError for whatever
else; for a second after any of these, further calls fail at once.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from consentmilter.errors import StoreError
from consentmilter.policy.facts import Facts
from consentmilter.store.breaker import Breaker
from consentmilter.store.databases import database
from consentmilter.store.standing import ANY_HASH_LIST, signs_of, to_facts

Digests = Callable[[], Sequence[bytes]]
"""Makes the digests under which hash lists may hold the subjects of a look-up."""


def no_digests() -> Sequence[bytes]:
    """For whoever is on no hash list."""
    return ()


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
        self._deadline = deadline
        self._clock = clock
        self._pool = database(url).pool(key_checks, clock)
        self._breaker = Breaker(clock, lease=deadline)
        self._cause = ""
        # What the last look-up told. It decides what the next one asks first, never what it answers.
        self._hash_lists = False

    def look_up(self, subjects: Sequence[bytes], digests: Digests = no_digests) -> Facts:
        """Every suppression and consent of these subject keys, whatever its scope, expired ones too.

        `digests` are asked for only if there is a hash list.
        """
        if not self._breaker.allows():
            raise StoreError(f"the store is given a rest after a failure: {self._cause}")
        try:
            found = self._look_up(subjects, digests)
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

    def _look_up(self, subjects: Sequence[bytes], digests: Digests) -> Facts:
        deadline = self._clock() + self._deadline
        sought = list(dict.fromkeys(subjects))  # one subject in two statements would come back twice
        listed = list(dict.fromkeys(digests())) if self._hash_lists else []
        rows = self._pool.look_up(sought, listed, deadline)
        self._hash_lists = ANY_HASH_LIST.word in signs_of(rows)
        if self._hash_lists and not listed and (listed := list(dict.fromkeys(digests()))):
            rows += self._pool.look_up([], listed, deadline)
        return to_facts(rows)
