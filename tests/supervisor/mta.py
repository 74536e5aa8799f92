"""The MTA's end of the milter protocol, like `lab.mta` but on asyncio, so that a test can hold many sessions at once.

Raises `LostError` when the connection ends before the answer that the MTA waits for (a real Postfix would apply its
milter_default_action), and when a message is deferred.
"""

import asyncio
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from consentmilter.supervisor.address import InetAddress, UnixAddress
from lab.milter_protocol import NEGOTIATE, REPLYCODE, VERSION, Action, Protocol, frame, parse_edit, strings

ANSWER_WITHIN = 20.0
CONTINUE = b"c"


class LostError(Exception):
    """The milter hung up on a session, or deferred a message for no fault of it."""


@dataclass(frozen=True)
class Stamp:
    """Who dealt with a message, as the application under test says."""

    pid: int
    mode: str
    number: int


class MtaSession:
    """One milter connection, as smtpd(8) has one for each SMTP session."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.actions = Action(0)
        self.macros = b""

    async def negotiate(self) -> None:
        offer = struct.pack("!III", VERSION, (~Action(0)).value, (~Protocol(0)).value)
        kind, data = await self._ask(NEGOTIATE, offer)
        assert kind == NEGOTIATE
        self.actions = Action(struct.unpack("!III", data[:12])[1])
        self.macros = data[12:]
        client = strings("client.test.example") + b"4" + struct.pack("!H", 40000) + strings("127.0.0.1")
        kind, _ = await self._ask(b"C", client)
        assert kind == CONTINUE

    async def begin(self, rcpt: str = "<rcpt@test.example>") -> bytes:
        """MAIL and RCPT; the answer to RCPT."""
        kind, _ = await self._ask(b"M", strings("<sender@test.example>"))
        assert kind == CONTINUE
        kind, text = await self._ask(b"R", strings(rcpt))
        return kind + text

    async def finish(self) -> Stamp:
        """A header and the end of the message."""
        await self._ask(b"L", strings("Subject", "test"))
        kind, data = await self._ask(b"E", b"")
        if kind == REPLYCODE:
            raise LostError(f"the message was deferred: {data!r}")
        stamp = parse_edit(kind, data)
        assert stamp is not None, kind
        pid, mode, number = stamp.value.split()
        kind, _ = await self._hear()
        assert kind == CONTINUE
        return Stamp(int(pid), mode, int(number))

    async def message(self) -> Stamp:
        """One whole message; who dealt with it."""
        await self.begin()
        return await self.finish()

    async def close(self) -> None:
        """Say goodbye as Postfix does."""
        self._say(b"Q", b"")
        self._writer.close()
        await self._writer.wait_closed()

    def vanish(self) -> None:
        """Hang up without a word, as a killed smtpd(8) does."""
        self._writer.transport.abort()

    async def _ask(self, command: bytes, data: bytes) -> tuple[bytes, bytes]:
        self._say(command, data)
        return await self._hear()

    def _say(self, command: bytes, data: bytes) -> None:
        self._writer.write(frame(command, data))

    async def _hear(self) -> tuple[bytes, bytes]:
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                (length,) = struct.unpack("!I", await self._reader.readexactly(4))
                packet = await self._reader.readexactly(length)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
            raise LostError(repr(error)) from None
        return packet[:1], packet[1:]


class Mta:
    """An MTA whose milter is at `address`; its sessions end with the `async with` block."""

    def __init__(self, address: UnixAddress | InetAddress) -> None:
        self._address = address
        self._sessions: list[MtaSession] = []

    async def open(self) -> MtaSession:
        """A session that is negotiated."""
        session = await self.connect()
        await session.negotiate()
        return session

    async def connect(self) -> MtaSession:
        """A session that has said nothing yet."""
        match self._address:
            case UnixAddress(path=path):
                streams = await asyncio.open_unix_connection(path)
            case InetAddress(host=host, port=port):
                streams = await asyncio.open_connection(host, port)
        self._sessions.append(session := MtaSession(*streams))
        return session

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in self._sessions:
            session.vanish()
