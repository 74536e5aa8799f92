"""The applications that the web role serves: the public pages, and the API on a listener of its own.

Raises ConfigError, KeyFileError and StoreError where what the configuration names cannot be opened.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.types import ASGIApp

from consentmilter.config import Config
from consentmilter.config.compile import compile_site
from consentmilter.service.keyfile import read_keys
from consentmilter.service.opting_in import OptingIn
from consentmilter.service.suppressions import utc_now
from consentmilter.service.targets import open_targets
from consentmilter.store.writer import Store
from consentmilter.web import api, brand
from consentmilter.web.api.metrics import counted
from consentmilter.web.context import Context
from consentmilter.web.public import public


@dataclass(frozen=True, slots=True)
class Apps:
    """What is served: the pages to everybody, the API to who holds a token."""

    public: ASGIApp
    api: ASGIApp | None


@asynccontextmanager
async def build(config: Config) -> AsyncIterator[Apps]:
    """Open everything that the configuration names, and close it in the end."""
    ring = read_keys(config.keys.file)
    site = compile_site(config)
    look = brand.load(config.web)
    async with Store.open(config.store.url, ring.checks()) as store:
        opting_in = OptingIn(config, site, ring, store)
        context = Context(config, site, ring, store, await open_targets(store, site), utc_now, opting_in)
        yield Apps(counted(public(context, look), "web"), api.application(context) if config.api.listen else None)
