"""A TCP proxy on a free loopback port that does to a server's clients what networks do, switched while it runs.

It relays in a thread of its own; its methods may be called from any thread, and a fault is in force for every
connection, open ones too, when `mode` returns. Raises nothing: a server that is away is a connection that ends.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from enum import Enum, auto

from lab.part import Part

_CHUNK = 64 * 1024


class Fault(Enum):
    """What becomes of connections through a proxy."""

    PASS = auto()
    """Nothing: whatever comes is handed on."""
    DELAY = auto()
    """Whatever comes is handed on some time later."""
    SWALLOW = auto()
    """Whatever comes from either side vanishes, as behind a firewall that drops packets."""
    SWALLOW_CLIENT = auto()
    """What the client says vanishes."""
    SWALLOW_SERVER = auto()
    """What the server says vanishes."""
    RESET = auto()
    """Open connections are reset at once, new ones as soon as the client says something."""
    HALF = auto()
    """Half of what the server says next is handed on, then the connection ends."""
    REFUSE = auto()
    """Open connections are reset, and nothing listens."""


class Proxy(Part):
    """A proxy before the server on `target`, a port of 127.0.0.1, which need not be there yet."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.turns = 0
        """How often a client began to speak: one for each round trip, and for each goodbye."""
        self._fault, self._delay = Fault.PASS, 0.0
        self._links: set[_Link] = set()
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._leave = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._loop.result()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.result().call_soon_threadsafe(self._leave.set)
            self._thread.join()
        self._socket.close()

    def mode(self, fault: Fault, delay: float = 0.0) -> None:
        """Have this become of all connections from now on; `delay` in seconds."""
        asyncio.run_coroutine_threadsafe(self._switch(fault, delay), self._loop.result()).result()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    async def _serve(self) -> None:
        await self._listen()
        self._loop.set_result(asyncio.get_running_loop())
        await self._leave.wait()
        await self._refuse()
        # Connections that were accepted a moment ago begin to be relayed only now.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            self._reset()
            await asyncio.wait(others, timeout=0.01)

    async def _listen(self) -> None:
        if self._socket.fileno() == -1:
            self._socket = socket.create_server(("127.0.0.1", self.port))
        self._server = await asyncio.start_server(self._relay, sock=self._socket)

    async def _refuse(self) -> None:
        self._reset()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _switch(self, fault: Fault, delay: float) -> None:
        was, self._fault, self._delay = self._fault, fault, delay
        if fault is Fault.REFUSE:
            await self._refuse()
        elif was is Fault.REFUSE:
            await self._listen()
        if fault is Fault.RESET:
            self._reset()

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        link = _Link(to_client)
        self._links.add(link)
        ways: list[asyncio.Task[None]] = []
        try:
            server, to_server = await asyncio.open_connection("127.0.0.1", self._target)
            link.writers.append(to_server)
            ways.append(asyncio.create_task(self._hand_on(client, to_server, link, self._from_client)))
            ways.append(asyncio.create_task(self._hand_on(server, to_client, link, self._from_server)))
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)  # whichever side ends first ends both
        except OSError:
            pass  # the server is away, as the client learns now
        finally:
            for way in ways:
                way.cancel()
            link.close()
            self._links.discard(link)

    async def _hand_on(
        self,
        source: asyncio.StreamReader,
        target: asyncio.StreamWriter,
        link: "_Link",
        changed: Callable[["_Link", bytes], Awaitable[bytes]],
    ) -> None:
        try:
            while data := await source.read(_CHUNK):
                if passed := await changed(link, data):
                    target.write(passed)
                    await target.drain()
        except OSError:
            pass

    async def _from_client(self, link: "_Link", data: bytes) -> bytes:
        self.turns += not link.client_spoke
        link.client_spoke = True
        link.client_lost |= self._fault in (Fault.SWALLOW, Fault.SWALLOW_CLIENT)
        if self._fault is Fault.RESET:
            link.reset()
        return await self._late(data, lost=link.client_lost)

    async def _from_server(self, link: "_Link", data: bytes) -> bytes:
        link.client_spoke = False
        link.server_lost |= self._fault in (Fault.SWALLOW, Fault.SWALLOW_SERVER)
        if self._fault is Fault.HALF and not link.server_lost:
            link.end_with(data[: len(data) // 2])
            return b""
        return await self._late(data, lost=link.server_lost)

    async def _late(self, data: bytes, *, lost: bool) -> bytes:
        if self._fault is Fault.DELAY:
            await asyncio.sleep(self._delay)
        return b"" if lost else data


class _Link:
    """A client's connection, and the one to the server that belongs to it.

    What was lost on a way is missed there for ever: nothing behind a gap in a TCP stream is delivered.
    """

    def __init__(self, to_client: asyncio.StreamWriter) -> None:
        self.writers = [to_client]
        self.client_spoke = False
        self.client_lost = False
        self.server_lost = False

    def end_with(self, data: bytes) -> None:
        """Say this much to the client, and no more to either side."""
        self.writers[0].write(data)
        self.close()

    def reset(self) -> None:
        """End both connections with a reset (SO_LINGER with 0 s)."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            if sock.fileno() != -1:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def close(self) -> None:
        for writer in self.writers:
            writer.close()
