"""A small application for the web process under test, instead of consentmilter.web.application.

Every answer is a stamp: process, configured mode and number of the runtime. `/slow` answers once the file `go` is
there, `/fault` not at all, `/body` after the whole body; `/headers` tells the request's header instead.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from consentmilter.config import Config
from lab.process import wait_for
from tests.supervisor.stamped import DIRECTORY, Runtime, runtime


@dataclass
class Apps:
    public: ASGIApp
    api: ASGIApp | None


@asynccontextmanager
async def build(config: Config) -> AsyncIterator[Apps]:
    with runtime("web", config) as made:
        yield Apps(_App(made, "public"), _App(made, "api") if config.api.listen else None)


class _App:
    def __init__(self, made: Runtime, name: str) -> None:
        self._runtime = made
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/slow":
                (DIRECTORY / "web-slow").touch()
                await asyncio.to_thread(wait_for, (DIRECTORY / "go").exists, "leave to answer")
            case "/fault":
                raise RuntimeError("as asked")
            case "/body":
                while (await receive()).get("more_body"):
                    pass
            case "/headers":
                lines = (f"{name.decode()}: {value.decode()}" for name, value in scope["headers"])
                await PlainTextResponse("\n".join(lines))(scope, receive, send)
                return
        await PlainTextResponse(f"{self._name} {self._runtime.stamp()}")(scope, receive, send)
