"""What the intake serves: an LMTP connection for each client, under one configuration.

Raises KeyFileError, StoreError and its kinds when it cannot be opened.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from consentmilter.config import Config
from consentmilter.config.compile import compile_site
from consentmilter.intake.address import Doors
from consentmilter.intake.desk import Desk
from consentmilter.intake.handler import Handler
from consentmilter.intake.session import Connection
from consentmilter.service.confirming import Confirming
from consentmilter.service.keyfile import read_keys
from consentmilter.service.submission import submit
from consentmilter.service.suppressions import Clock, utc_now
from consentmilter.service.targets import open_targets
from consentmilter.store.writer import Store


@asynccontextmanager
async def build(config: Config, *, now: Clock = utc_now) -> AsyncIterator[Callable[[], asyncio.Protocol]]:
    """Open everything that the configuration names; what is given out makes the protocol of a connection."""
    # aiosmtpd tells of every command that it does not know, addresses and all.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    ring = read_keys(config.keys.file)
    site = compile_site(config)
    async with Store.open(config.store.url, ring.checks()) as store:
        targets = await open_targets(store, site)

        async def send(message: bytes, recipient: str) -> None:
            await submit(config.intake.submit, message, recipient=recipient)

        doors = Doors(config, targets, ring)
        desk = Desk(config, site, ring, store, targets, doors, Confirming(store, now), send, now)
        handler = Handler(desk)
        yield lambda: Connection(handler, max_size=config.intake.max_size)
