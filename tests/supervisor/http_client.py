"""An HTTP/1.1 client that keeps its connection until the server says that it closes, as proxies do.

Raises `LostRequestError` when a request that was sent gets no whole answer.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ANSWER_WITHIN = 20.0


class LostRequestError(Exception):
    """The connection ended, or nothing came, where an answer was due."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def pid(self) -> int:
        """Which process answered, by its stamp."""
        return int(self.text.split()[1])

    @property
    def mode(self) -> str:
        """Under which configuration."""
        return self.text.split()[2]


class HttpClient:
    """One client of the server at `address`, HOST:PORT or the path of a unix socket; it hangs up after the block."""

    def __init__(self, address: str | Path) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.opened = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()

    async def connect(self) -> Self:
        """Open the connection ahead of the first request."""
        if isinstance(self._address, Path):
            self._streams = await asyncio.open_unix_connection(str(self._address))
        else:
            host, _, port = self._address.rpartition(":")
            self._streams = await asyncio.open_connection(host.strip("[]"), int(port))
        self.opened += 1
        return self

    async def send(self, octets: bytes) -> None:
        """Send anything at all."""
        if self._streams is None:
            await self.connect()
        assert self._streams is not None
        self._streams[1].write(octets)
        await self._streams[1].drain()

    async def get(self, path: str = "/") -> Reply:
        """One request and its answer."""
        return await self.exchange(f"GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n".encode())

    async def exchange(self, octets: bytes) -> Reply:
        """Send a whole request; its answer."""
        try:
            await self.send(octets)
        except ConnectionError as error:
            raise LostRequestError(repr(error)) from None
        return await self.reply()

    async def reply(self) -> Reply:
        """The next answer."""
        assert self._streams is not None
        reader, _ = self._streams
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = [line.partition(": ") for line in head[1:] if line]
                headers = {name.lower(): value for name, _, value in fields}
                body = await reader.readexactly(int(headers["content-length"]))
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
            self.hang_up()
            raise LostRequestError(repr(error)) from None
        if headers.get("connection") == "close":
            self.hang_up()
        return Reply(int(head[0].split()[1]), headers, body.decode())

    async def ended(self, within: float = ANSWER_WITHIN) -> bytes:
        """Wait until the server closes the connection; what came before."""
        assert self._streams is not None
        try:
            async with asyncio.timeout(within):
                return await self._streams[0].read()
        except ConnectionError:
            return b""

    def hang_up(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


def get(address: str | Path, path: str = "/") -> Reply:
    """One request on a connection of its own."""

    async def ask() -> Reply:
        async with HttpClient(address) as client:
            return await client.get(path)

    return asyncio.run(ask())
