"""The API behind a real server, in a thread of its own: what calls it needs no event loop."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from consentmilter.web.api import application
from consentmilter.web.context import Context
from tests.store.support import wait_for
from tests.unit.making import RING
from tests.web.api_site import context_with, site_in


@dataclass(frozen=True)
class Served:
    """Where the API listens on loopback."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def served(directory: Path, changes: Mapping[str, Any] | None = None, **options: Any) -> Iterator[Served]:
    """Serve the API of the tests' site as long as the block runs."""
    # asyncio switches Nagle's algorithm off only where the protocol is told; each answer would wait 40 ms otherwise.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        servers: list[uvicorn.Server] = []
        thread = threading.Thread(
            target=lambda: asyncio.run(
                _serve(context_with(site_in(directory, changes), RING), listener, servers, options)
            )
        )
        thread.start()
        try:
            wait_for(lambda: (servers and servers[0].started) or not thread.is_alive())
            assert servers, "the server did not start"
            yield Served(listener.getsockname()[1])
        finally:
            for server in servers:
                server.should_exit = True
            thread.join(timeout=20)
            assert not thread.is_alive()


async def _serve(
    making: AbstractAsyncContextManager[Context],
    listener: socket.socket,
    servers: list[uvicorn.Server],
    options: dict[str, Any],
) -> None:
    async with making as context:
        config = uvicorn.Config(
            application(context, **options), lifespan="off", log_config=None, access_log=False, ws="none"
        )
        servers.append(uvicorn.Server(config))
        await servers[0].serve(sockets=[listener])
