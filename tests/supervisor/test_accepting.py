"""A process that stops accepting loses no connection, in whatever turn of its event loop that happens."""

import asyncio
import gc
import os
import socket
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from consentmilter.serving import stop_accepting

Stop = Callable[[asyncio.Server], Awaitable[None]]


async def by_asyncio_alone(server: asyncio.Server) -> None:
    server.close()


async def answered(path: Path, stop: Stop, turns: int, within: float) -> bool:
    """Whether somebody who connected so many turns of the loop before the stop is answered; another server goes on."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        servers = [
            await loop.create_unix_server(Echo, sock=socket.socket(fileno=os.dup(sock.fileno())), start_serving=False)
            for _ in range(2)
        ]
        await servers[0].start_serving()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            for _ in range(turns):
                await asyncio.sleep(0)
            await stop(servers[0])
            await servers[1].start_serving()
            client.setblocking(False)
            try:
                async with asyncio.timeout(within):
                    await loop.sock_sendall(client, b"anybody there?")
                    return await loop.sock_recv(client, 100) == b"anybody there?"
            except (ConnectionError, TimeoutError):
                return False
            finally:
                await stop_accepting(servers[1])


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)
        self._transport.close()


@pytest.mark.parametrize(("stop", "loses"), [(stop_accepting, False), (by_asyncio_alone, True)])
def test_a_connection_that_was_just_accepted_is_served(tmp_path: Path, stop: Stop, loses: bool) -> None:
    """asyncio alone drops it, which shows by an answer that does not come."""
    within = 1.0 if loses else 30.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # what it drops is not even closed
        served = all(asyncio.run(answered(tmp_path / f"{turns}.sock", stop, turns, within)) for turns in range(8))
        gc.collect()
    assert served is not loses
