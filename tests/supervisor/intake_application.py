"""A small application for the intake process under test, instead of consentmilter.intake.application.

Every mail is answered with a stamp: process, configured mode and number of the runtime.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiosmtpd.lmtp import LMTP

from consentmilter.config import Config
from tests.supervisor.stamped import Runtime, runtime


@asynccontextmanager
async def build(config: Config) -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    with runtime("intake", config) as made:
        yield lambda: LMTP(_Handler(made))


class _Handler:
    def __init__(self, made: Runtime) -> None:
        self._runtime = made

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        return f"250 {self._runtime.stamp()}"
