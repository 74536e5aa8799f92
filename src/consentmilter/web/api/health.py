"""Whether the store answers: what readiness means, for load balancers and monitoring. Raises `Problem`."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreError
from consentmilter.store.writer import Store
from consentmilter.web.api.edge import unavailable
from consentmilter.web.api.metrics import STORE_FAILURES

READY_SECONDS = 1.0


class Readiness:
    """Asks the store, at most one question at a time: a frozen one is not to gather more of them."""

    def __init__(self, store: Store, seconds: float = READY_SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._question: asyncio.Task[None] | None = None

    async def require(self) -> None:
        """Raise a 503 `Problem` unless the store answers in time."""
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._store.read(_nothing), name="readiness")
        # The question goes on whatever happens here: work of the database is not cancelled.
        await asyncio.wait([self._question], timeout=self._seconds)
        if not self._question.done() or isinstance(self._question.exception(), StoreError):
            STORE_FAILURES.inc()
            raise unavailable("the store does not answer")
        self._question.result()


async def _nothing(_connection: AsyncConnection) -> None:
    pass
