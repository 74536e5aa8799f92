"""Ask a person at most once a day whether a request was theirs.

What was sent is noted after it was sent: if it cannot be sent, nothing is noted, and the next try sends it. Raises
StoreBusyError while the same person is being asked about the same already, what `send` raises, and the store's errors.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from consentmilter.errors import StoreBusyError
from consentmilter.service.suppressions import Clock
from consentmilter.store import confirmations
from consentmilter.store.writer import Store

ONCE_A = timedelta(days=1)


class OneAtATime:
    """The questions that one process is asking just now."""

    def __init__(self) -> None:
        self._asking: set[tuple[bytes, str]] = set()

    @contextmanager
    def about(self, subject: bytes, scope: str) -> Iterator[None]:
        """Ask this person about this, and have nobody else do so meanwhile."""
        key = (subject, scope)
        if key in self._asking:
            raise StoreBusyError("this person is being asked just now")
        self._asking.add(key)
        try:
            yield
        finally:
            self._asking.discard(key)


class Confirming:
    """The questions of one process; there is only one that asks."""

    def __init__(self, store: Store, now: Clock) -> None:
        self._store = store
        self._now = now
        self._asking = OneAtATime()

    async def ask(self, subject: bytes, scope: str, send: Callable[[], Awaitable[None]]) -> bool:
        """Call `send` unless the person was asked within a day; whether it was called."""
        with self._asking.about(subject, scope):
            return await self._ask(subject, scope, send)

    async def _ask(self, subject: bytes, scope: str, send: Callable[[], Awaitable[None]]) -> bool:
        last = await self._store.read(lambda connection: confirmations.last_sent(connection, subject, scope))
        if last is not None and self._now() - last < ONCE_A:
            return False
        await send()
        sent = self._now()
        await self._store.write(lambda connection: confirmations.put(connection, subject, scope, sent))
        return True
