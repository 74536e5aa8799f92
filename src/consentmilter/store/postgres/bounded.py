"""Connections of the driver's that wait for an answer only so long, whatever became of the server.

A server that is frozen or cut off leaves no error to see, and no timeout of its own ends the wait. When the limit is
over, the connection is closed without a word: a request to cancel would make a server that waits for its standby call a
commit done that is not. Raises what the driver raises; after the limit a ConnectionTimeout.
"""

import time
from collections.abc import Generator
from typing import Any, Self, TypeVar

from psycopg import AsyncConnection, Connection
from psycopg.errors import ConnectionTimeout

from consentmilter.store.postgres.urls import Server

T = TypeVar("T")

LIMIT = 10.0
"""Seconds to wait for an answer, unless a transaction says otherwise."""

COMMIT = 20.0
"""Seconds to wait for the answer to a COMMIT, which may have to wait for a standby."""

FAREWELL = 2.0
"""Seconds to wait for the answer to a ROLLBACK; a connection that has none is closed instead."""


class BoundedConnection(Connection[Any]):
    """For what is synchronous and not in a hurry; `limit` in seconds holds for each answer."""

    limit = LIMIT
    used = False
    """Whether a transaction has begun on it before: then it may have died since."""

    @classmethod
    def open(cls, server: Server) -> Self:
        """Connect, in autocommit: transactions are begun and ended in words."""
        return cls.connect(server.conninfo, autocommit=True, prepare_threshold=None)

    def wait(self, gen: Generator[Any, Any, T], *options: Any, **more: Any) -> T:
        return super().wait(_bounded(self, gen, self.limit), *options, **more)


class BoundedAsyncConnection(AsyncConnection[Any]):
    """The same for asyncio."""

    limit = LIMIT
    used = False

    @classmethod
    async def open(cls, server: Server) -> Self:
        return await cls.connect(server.conninfo, autocommit=True, prepare_threshold=None)

    async def wait(self, gen: Generator[Any, Any, T], *options: Any, **more: Any) -> T:
        return await super().wait(_bounded(self, gen, self.limit), *options, **more)


def _bounded(
    connection: BoundedConnection | BoundedAsyncConnection, gen: Generator[Any, Any, T], limit: float
) -> Generator[Any, Any, T]:
    """The driver's own conversation, which ends when nothing has come and the limit is over.

    The driver asks the generator what to wait for, and tells it every tenth of a second what is ready, if only nothing.
    """
    end = time.monotonic() + limit
    ready = None
    try:
        while True:
            ready = yield gen.send(ready)
            if not ready and time.monotonic() >= end:
                connection.pgconn.finish()
                raise ConnectionTimeout(f"no answer within {limit:g} seconds")
    except StopIteration as done:
        answer: T = done.value
        return answer
