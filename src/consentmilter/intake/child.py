"""The intake process: LMTP sessions from Postfix, over a unix socket.

Started by the supervisor as `python -m consentmilter.intake.child --listen-fd N --control-fd C`. A session keeps the
application under which it began. What the process promises, and its exit codes, are those of `serving`.
"""

import argparse
import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import cast

from consentmilter.serving import Current, builder, process, serve, stop_accepting

APPLICATION = "consentmilter.intake.application"

MAX_SESSIONS = 100
"""How many at once; Postfix opens 20 to one destination unless told otherwise (lmtp_destination_concurrency_limit)."""
BACKLOG = 1024
BUSY = b"421 4.3.2 Too many sessions, try again later\r\n"
"""The greeting of a session beyond; Postfix keeps the mail and comes again."""

Sessions = Callable[[], asyncio.Protocol]
"""Makes the protocol of an LMTP session."""


class Intake:
    """The listener of the process and its sessions."""

    def __init__(self, current: Current[Sessions], sock: socket.socket) -> None:
        self._socket = sock
        self._current = current
        self._sessions: set[_Session] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Accept sessions."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(
            lambda: _Session(self._current, self._sessions), sock=self._socket, backlog=BACKLOG
        )

    async def close(self) -> None:
        """Accept no more; open sessions go on to their end."""
        if self._server is not None:
            await stop_accepting(self._server)

    def connections(self) -> int:
        """How many are open."""
        return len(self._sessions)


class _Session(asyncio.Protocol):
    """One connection: hands everything on to a protocol of the application, which it keeps open meanwhile."""

    def __init__(self, current: Current[Sessions], open_sessions: set["_Session"]) -> None:
        self._current = current
        self._open_sessions = open_sessions
        self._inner: asyncio.Protocol = asyncio.Protocol()
        self._lease = ExitStack()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._open_sessions) >= MAX_SESSIONS:
            cast(asyncio.Transport, transport).write(BUSY)
            transport.close()
            return
        self._open_sessions.add(self)
        self._inner = self._lease.enter_context(self._current.lease())()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_sessions.discard(self)
        with self._lease:
            self._inner.connection_lost(exc)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an intake process to its end; the exit code."""
    args = _parser().parse_args(arguments)
    sock = socket.socket(fileno=args.listen_fd)
    build = builder(args.application)
    return asyncio.run(serve(args.control_fd, build, lambda current: Intake(current, sock)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="consentmilter.intake.child", description="Started by the supervisor.")
    parser.add_argument("--listen-fd", type=int, required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--application", default=APPLICATION)
    return parser


if __name__ == "__main__":
    process(main)
