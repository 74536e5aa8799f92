"""The web process: the public pages and the API, one process with a listener for each.

Started by the supervisor as `python -m consentmilter.web.child --listen-fd N --api-fd M --control-fd C`, with at least
one of the first two. What it promises, and its exit codes, are those of `serving`.
"""

import argparse
import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from starlette.types import ASGIApp

from consentmilter.serving import Current, builder, process, serve
from consentmilter.web.listening import Listening

APPLICATION = "consentmilter.web.application"

PUBLIC_CONNECTIONS = 700
API_CONNECTIONS = 100
"""How many at once; with the store's they stay below the 1024 descriptors that a process has where nobody says more."""


class Apps(Protocol):
    """What `build` of an application makes."""

    @property
    def public(self) -> ASGIApp:
        """The pages and the one-click requests."""

    @property
    def api(self) -> ASGIApp | None:
        """The API, if the configuration has one."""


class Web:
    """The listeners of the process, whichever it was given."""

    def __init__(self, current: Current[Apps], public: socket.socket | None, api: socket.socket | None) -> None:
        @contextmanager
        def lease_public() -> Iterator[ASGIApp | None]:
            with current.lease() as apps:
                yield apps.public

        @contextmanager
        def lease_api() -> Iterator[ASGIApp | None]:
            with current.lease() as apps:
                yield apps.api

        self._listeners = []
        if public is not None:
            self._listeners.append(Listening(public, lease_public, PUBLIC_CONNECTIONS))
        if api is not None:
            self._listeners.append(Listening(api, lease_api, API_CONNECTIONS))

    async def open(self) -> None:
        """Accept connections."""
        for listener in self._listeners:
            await listener.open()

    async def close(self) -> None:
        """Accept no more; open connections go on to their next answer."""
        for listener in self._listeners:
            await listener.close()

    def connections(self) -> int:
        """How many are open."""
        return sum(listener.connections() for listener in self._listeners)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a web process to its end; the exit code."""
    args = _parser().parse_args(arguments)
    public, api = (socket.socket(fileno=fd) if fd is not None else None for fd in (args.listen_fd, args.api_fd))
    build = builder(args.application)
    return asyncio.run(serve(args.control_fd, build, lambda current: Web(current, public, api)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="consentmilter.web.child", description="Started by the supervisor.")
    parser.add_argument("--listen-fd", type=int)
    parser.add_argument("--api-fd", type=int)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--application", default=APPLICATION)
    return parser


if __name__ == "__main__":
    process(main)
