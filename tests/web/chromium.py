"""Real parts for the browser tests: the pages behind uvicorn on a free loopback port, and Debian's Chromium."""

import asyncio
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from tests.store.support import wait_for
from tests.web.pages_site import served

CHROMIUM = Path("/usr/bin/chromium-headless-shell")

_QUIET = [
    "--no-sandbox",  # the tests may run as root
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
    "--disable-quic",
]

SCREENSHOTS = Path(os.environ.get("SCREENSHOTS", "build/screenshots"))
"""Where the pictures of the pages are kept."""


class Server:
    """The pages of a site, served in a thread until the end of the `with`."""

    def __init__(self, url: str, changes: dict[str, Any]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(url, changes)))

    async def _serve(self, url: str, changes: dict[str, Any]) -> None:
        async with served(url, **changes) as site:
            settings = uvicorn.Config(site.app, lifespan="off", log_config=None, access_log=False)
            self._server = uvicorn.Server(settings)
            await self._server.serve([self._socket])

    def __enter__(self) -> Self:
        self._thread.start()
        wait_for(lambda: (self._server and self._server.started) or not self._thread.is_alive())
        assert self._thread.is_alive(), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.should_exit = True
        self._thread.join(20)
        self._socket.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, closed in the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


def picture(name: str) -> Path:
    """Where the picture of that name goes."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return SCREENSHOTS / f"{re.sub(r'[^a-z0-9-]+', '-', name.lower())}.png"
