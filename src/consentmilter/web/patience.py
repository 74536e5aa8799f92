"""HTTP connections whose patience ends: clients that are slow, or say nothing, cost others nothing.

uvicorn waits for the head and the body of a request for ever, and for a client that does not read its answer. Here a
head must be complete within `HEAD_WITHIN`, a request over within `EXCHANGE_WITHIN`, and where there are as many
connections as there may be, the one whose client has been due to speak for longest makes room. Raises nothing.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientProtocol(H11Protocol):
    """One HTTP connection; `limit_concurrency` of the uvicorn configuration is how many there may be."""

    HEAD_WITHIN: ClassVar[float] = 10.0
    """From the connection, or from the answer before, to the end of a head."""
    EXCHANGE_WITHIN: ClassVar[float] = 60.0
    """From the head to the end of the answer; what reads a body has a shorter deadline of its own."""

    _since = 0.0
    _busy = False
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in H11Protocol
        if self.limit_concurrency is not None and len(self.connections) + 1 >= self.limit_concurrency:
            self._make_room()
        super().connection_made(transport)
        self._be_patient(busy=False)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._busy and self._in_exchange():
            self._be_patient(busy=True)

    def on_response_complete(self) -> None:
        super().on_response_complete()  # which begins with the next request, if it has come already
        self._be_patient(busy=self._in_exchange())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def _in_exchange(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _owes(self) -> bool:
        """Whether it is the client who has to go on: with a head, or with the rest of a body."""
        return not self._in_exchange() or self.cycle.more_body

    def _be_patient(self, *, busy: bool) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._busy = busy
        self._since = self.loop.time()
        # Not closed but aborted: a client that does not read would keep what is to be flushed for ever.
        self._patience = self.loop.call_later(self.EXCHANGE_WITHIN if busy else self.HEAD_WITHIN, self.transport.abort)

    def _make_room(self) -> None:
        others = [each for each in self.connections if isinstance(each, PatientProtocol) and each._owes()]  # noqa: SLF001 - of its own class
        if others:
            slowest = min(others, key=lambda each: each._since)  # noqa: SLF001 - of its own class
            slowest.transport.abort()
            self.connections.discard(slowest)  # at once: the next one to come must not find it again
