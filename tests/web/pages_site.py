"""The site of the page tests: two senders, and the pages served in this process, on a clock that can be turned."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.types import ASGIApp

from consentmilter import tokens
from consentmilter.config import Config
from consentmilter.config.compile import compile_site
from consentmilter.keys import KeyRing
from consentmilter.model import Suppression
from consentmilter.service.opting_in import OptingIn
from consentmilter.service.suppressions import held
from consentmilter.service.targets import open_targets
from consentmilter.store.migrate import migrate, record_keys
from consentmilter.store.schema import CORE_METADATA
from consentmilter.store.writer import Store
from consentmilter.tokens import Purpose, Token, stream_hash
from consentmilter.web import brand
from consentmilter.web.context import Context
from consentmilter.web.public import public
from tests.store.support import person

RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})
ISSUED = date(2026, 3, 1)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

ONE_CLICK = b"List-Unsubscribe=One-Click"

CONFIG: dict[str, Any] = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "privacy": {"mail": ["privacy@example.com"]},
    "web": {"pages_per_minute": 100_000},
    "intake": {"sender": "consent@example.com"},
    "organisations": {
        "acme": {"title": "Acme Ltd", "address": "1 Road\nTown"},
        "other": {"title": "Other Inc"},
    },
    "streams": {
        "acme.newsletter": {"title": "Weekly newsletter", "description": "What is new, once a week."},
        "acme.offers": {"title": "Offers & <discounts>"},
        "acme.security": {
            "category": "security-patch",
            "title": "Security patches",
            "description": "Fixes for what you run.",
        },
        "other.news": {"title": "Other news"},
    },
}


@dataclass
class Clock:
    """A clock that stands until it is turned."""

    time: datetime = NOON

    def __call__(self) -> datetime:
        return self.time

    def turn(self, **by: float) -> None:
        self.time += timedelta(**by)


@dataclass(frozen=True)
class Served:
    """The pages of a site, what stands behind them, and the mail that was sent."""

    context: Context
    app: ASGIApp
    client: httpx.AsyncClient
    clock: Clock
    sent: list[bytes]

    async def held(self, number: int = 1) -> list[Suppression]:
        """What the list says of a person."""
        return await held(self.context.store, [person(number)])

    async def scopes(self, number: int = 1) -> list[str]:
        """What a person has opted out of."""
        return sorted(row.scope for row in await self.held(number))

    async def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that the store holds."""

        async def job(connection: AsyncConnection) -> dict[str, list[tuple[Any, ...]]]:
            tables = CORE_METADATA.sorted_tables
            return {table.name: [tuple(row) for row in await connection.execute(sa.select(table))] for table in tables}

        return await self.context.store.read(job)


def token(stream: str = "acme.newsletter", number: int = 1, purpose: Purpose = Purpose.UNSUBSCRIBE) -> str:
    """The token of a person's link."""
    return tokens.make(Token(purpose, person(number), stream_hash(stream), ISSUED), RING)


def config_of(url: str, **changes: Any) -> Config:
    """The site's configuration; `changes` are whole sections."""
    return Config.model_validate(CONFIG | {"store": {"url": url}} | changes)


def make_site_store(directory: Path) -> str:
    """The URL of a new store that knows the keys of the site."""
    url = f"sqlite:///{directory / 'consent.db'}"
    migrate(url)
    record_keys(url, RING.checks())
    return url


@asynccontextmanager
async def served(url: str, patience: float = 2, **changes: Any) -> AsyncIterator[Served]:
    """The pages in this process, which wait for the store no longer than `patience` seconds."""
    config = config_of(url, **changes)
    site = compile_site(config)
    clock = Clock()
    async with Store.open(url, RING.checks(), patience) as store:
        sent: list[bytes] = []

        async def send(message: bytes, _recipient: str) -> None:
            sent.append(message)

        opting_in = OptingIn(config, site, RING, store, clock, send)
        context = Context(config, site, RING, store, await open_targets(store, site), clock, opting_in)
        app = public(context, brand.load(config.web))
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="https://u.example.com") as client:
            yield Served(context, app, client, clock, sent)


def on_site(url: str, story: Callable[[Served], Awaitable[None]], seconds: float = 60, **changes: Any) -> None:
    """Tell a story on the site, which must end within so many seconds."""

    async def told() -> None:
        async with asyncio.timeout(seconds), served(url, **changes) as site:
            await story(site)

    asyncio.run(told())
