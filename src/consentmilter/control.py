"""The control channel between the supervisor and each of its children: messages, and the child's end of it.

A message is one line of JSON. The supervisor says `configure` (once, first), `reload` and `drain`; the child says
`ready`, `reloaded`, `refused` and `drained`. End of file means drain, so that children never outlive a supervisor that
was killed by more than a drain. Raises `ControlError` for what is no message, and `EndOfChannelError` at end of file.
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from consentmilter.errors import ControlError

MAX_LINE = 16 * 1024 * 1024
"""A line longer than this is nothing that the other end would say: a configuration is some kilobytes."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Start with this configuration, as JSON; `drain` is how long to wait for open sessions at an end of file."""

    config: str
    drain: float
    kind: Literal["configure"] = "configure"


@dataclass(frozen=True, slots=True)
class Reload:
    """Take this configuration in place of the one before; the answer carries the same number."""

    number: int
    config: str
    drain: float
    kind: Literal["reload"] = "reload"


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no new sessions and leave with the last one, or after so many seconds; said again, it can only shorten."""

    seconds: float
    kind: Literal["drain"] = "drain"


@dataclass(frozen=True, slots=True)
class Ready:
    """The child serves."""

    kind: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Messages from now on meet the new configuration."""

    number: int
    kind: Literal["reloaded"] = "reloaded"


@dataclass(frozen=True, slots=True)
class Refused:
    """The configuration cannot be used, and the one before, if any, stays; `number` is None for the first one."""

    reason: str
    number: int | None = None
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class Drained:
    """The last word of a drained child: everything is flushed; so many sessions were cut because the time was over."""

    cut: int
    kind: Literal["drained"] = "drained"


Order = Configure | Reload | Drain
Answer = Ready | Reloaded | Refused | Drained

T = TypeVar("T")

_orders: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="kind")])
_answers: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


class EndOfChannelError(ControlError):
    """The other end is gone."""


def order_line(order: Order) -> bytes:
    """The line that says `order`."""
    return _orders.dump_json(order) + b"\n"


def answer_line(answer: Answer) -> bytes:
    """The line that says `answer`."""
    return _answers.dump_json(answer) + b"\n"


def parse_order(line: bytes) -> Order:
    """What the supervisor said."""
    return _parse(_orders, line)


def parse_answer(line: bytes) -> Answer:
    """What a child said."""
    return _parse(_answers, line)


def _parse(adapter: TypeAdapter[T], line: bytes) -> T:
    try:
        return adapter.validate_json(line)
    except ValidationError as error:
        # The line itself is not quoted: a configuration can hold a password.
        faults = "; ".join(f"{fault['loc']}: {fault['msg']}" for fault in error.errors(include_input=False))
        raise ControlError(f"no message of the control channel: {faults}") from None


class Channel:
    """The child's end: blocking, for one reading thread."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = bytearray()

    def receive(self, timeout: float | None = None) -> Order | None:
        """The next order, or None if there is none within `timeout` seconds.

        Raises `EndOfChannelError` at end of file and `ControlError` if the line is no order.
        """
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_LINE:
                raise EndOfChannelError("the line never ends")
            data = self._read(timeout)
            if data is None:
                return None
            self._buffer += data
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return parse_order(line)

    def send(self, answer: Answer) -> None:
        """Say `answer`; if nobody listens any more that is no error, the next `receive` will tell."""
        try:
            self._socket.settimeout(None)
            self._socket.sendall(answer_line(answer))
        except (BrokenPipeError, ConnectionResetError):
            return

    def _read(self, timeout: float | None) -> bytes | None:
        self._socket.settimeout(timeout)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            return None
        except ConnectionResetError:
            data = b""
        if not data:
            raise EndOfChannelError("the supervisor is gone")
        return data


class AsyncChannel:
    """The child's end on an event loop; made by `attach`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def attach(cls, sock: socket.socket) -> Self:
        """The channel over `sock`."""
        return cls(*await asyncio.open_unix_connection(sock=sock, limit=MAX_LINE))

    async def receive(self, within: float | None = None) -> Order | None:
        """The next order, or None if there is none `within` so many seconds; raises as `Channel.receive` does."""
        try:
            async with asyncio.timeout(within):
                line = await self._reader.readline()
        except TimeoutError:
            return None
        except ConnectionError:
            line = b""
        except ValueError:  # a line beyond the limit
            raise EndOfChannelError("the line never ends") from None
        if not line.endswith(b"\n"):
            raise EndOfChannelError("the supervisor is gone")
        return parse_order(line)

    async def send(self, answer: Answer) -> None:
        """Say `answer`; if nobody listens any more that is no error, the next `receive` will tell."""
        self._writer.write(answer_line(answer))
        with suppress(ConnectionError):
            await self._writer.drain()

    def close(self) -> None:
        """Let go of the socket."""
        self._writer.close()
