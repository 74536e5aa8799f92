"""uvicorn's protocol on inherited sockets: the public pages and the API, each on a listener of its own.

uvicorn's own server is left out: it would catch signals, and cut idle connections into which a request may be on its
way when it is told to stop. Raises OSError if a socket cannot be served.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from consentmilter.serving import stop_accepting
from consentmilter.web.gateway import Gateway
from consentmilter.web.patience import PatientProtocol

BACKLOG = 1024
MAX_HEAD = 16 * 1024
"""Of a request, in octets."""
IDLE = 5
"""How many seconds a connection stays open without a request; a proxy that keeps connections must give up sooner."""


class Listening:
    """One listener: connections from `sock`, whose requests go to what `lease` lends; at most `limit` at once."""

    def __init__(
        self,
        sock: socket.socket,
        lease: Callable[[], AbstractContextManager[ASGIApp | None]],
        limit: int,
        protocol: type[PatientProtocol] = PatientProtocol,
    ) -> None:
        self._socket = sock
        self._gateway = Gateway(lease)
        self._state = ServerState()
        self._protocol = protocol
        self._config = uvicorn.Config(
            self._gateway,
            http=protocol,
            ws="none",
            lifespan="off",
            # Its messages tell of clients' faults, and quote what they sent; faults of ours end at the gateway.
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=limit,
            h11_max_incomplete_event_size=MAX_HEAD,
            timeout_keep_alive=IDLE,
        )
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept connections."""
        self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, sock=self._socket, backlog=BACKLOG)

    async def close(self) -> None:
        """Accept no more, and end each connection with its next answer."""
        self._gateway.closing = True
        if self._server is not None:
            await stop_accepting(self._server)

    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    def _connection(self) -> PatientProtocol:
        return self._protocol(self._config, self._state, {})
