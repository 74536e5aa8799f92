"""One child process and its control channel: start, ready, reload, drain, exit.

A child runs in a session of its own, so that no terminal signals it, and inherits its end of the channel and the
descriptors of its role. It is never signalled, save by `kill` when it outlives its drain. Raises nothing of its own;
a child that says nothing any more answers None.
"""

import asyncio
import os
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from consentmilter import log
from consentmilter.control import (
    MAX_LINE,
    Answer,
    Configure,
    Drain,
    Drained,
    Order,
    Ready,
    Refused,
    Reload,
    Reloaded,
    order_line,
    parse_answer,
)
from consentmilter.errors import ControlError

_log = log.get()

NOT_FOR_CHILDREN = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET")
"""What systemd says to the supervisor alone."""

LAST_WORDS = 1.0
"""How long to listen to a child that has ended."""


@dataclass(frozen=True, slots=True)
class Role:
    """What children of one kind run: a name for the log, a command, and descriptors to inherit."""

    name: str
    command: tuple[str, ...]
    descriptors: tuple[int, ...] = ()


class Child:
    """A running child; made by `start`."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        loop = asyncio.get_running_loop()
        self._first: asyncio.Future[Ready | Refused | None] = loop.create_future()
        self._reloads: dict[int, asyncio.Future[Reloaded | Refused | None]] = {}
        self._ended = False
        self.cut = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(cls, role: Role) -> Self:
        """Execute the role's command with `--control-fd N` added; it waits for `configure`. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as undo:
            undo.callback(ours.close)
            process = await asyncio.create_subprocess_exec(
                *role.command,
                "--control-fd",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *role.descriptors),
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name not in NOT_FOR_CHILDREN},
            )
            undo.pop_all()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_LINE)
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def configure(self, order: Configure) -> None:
        """Give it its first configuration."""
        self._say(order)

    async def ready(self) -> Ready | Refused | None:
        """Its first word: that it serves, or why it cannot; None if it ended without one."""
        return await asyncio.shield(self._first)

    async def reload(self, order: Reload) -> Reloaded | Refused | None:
        """Give it another configuration; its answer, or None if it ended without one."""
        if self._ended:
            return None
        answer: asyncio.Future[Reloaded | Refused | None] = asyncio.get_running_loop().create_future()
        self._reloads[order.number] = answer
        self._say(order)
        try:
            return await answer
        finally:
            del self._reloads[order.number]

    def drain(self, seconds: float) -> None:
        """Let it take no new sessions and leave with the last one, or after so many seconds."""
        self._say(Drain(seconds))

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()

    async def exit(self) -> int:
        """Wait for its end, and for its last words; its exit code, or minus the signal that ended it."""
        code = await self._process.wait()
        # Its end of the channel ended with it, unless something that it started still holds it.
        await asyncio.wait({self._listening}, timeout=LAST_WORDS)
        self._listening.cancel()
        self._writer.close()
        return code

    def _say(self, order: Order) -> None:
        # Not drained: orders are small and few, and a child that does not read them must not hold up the supervisor.
        if not self._ended:
            self._writer.write(order_line(order))

    async def _listen(self) -> None:
        try:
            while line := await self._reader.readline():
                self._hear(parse_answer(line))
        except ConnectionError:
            pass  # it ended with orders unread, which is an end of file like any other
        except (ValueError, ControlError) as error:
            _log.error("control_channel_failed", pid=self.pid, error=str(error))
        finally:
            self._end()

    def _end(self) -> None:
        self._ended = True
        if not self._first.done():
            self._first.set_result(None)
        for waiting in self._reloads.values():
            if not waiting.done():
                waiting.set_result(None)

    def _hear(self, answer: Answer) -> None:
        match answer:
            case Ready() | Refused(number=None):
                if not self._first.done():
                    self._first.set_result(answer)
            case Reloaded(number=number) | Refused(number=int(number)):
                waiting = self._reloads.get(number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
            case Drained(cut=cut):
                self.cut = cut
