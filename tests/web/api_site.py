"""A site with the HTTP API: two organisations, a token for each verb and organisation, and a real store."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import yaml

from consentmilter.config import Config, parse
from consentmilter.config.compile import compile_site
from consentmilter.keys import KeyRing
from consentmilter.ledger import Entry
from consentmilter.model import Suppression
from consentmilter.service.opting_in import OptingIn, Send
from consentmilter.service.suppressions import held, history
from consentmilter.service.targets import open_targets
from consentmilter.store.migrate import migrate, record_keys
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named
from consentmilter.web.api import application
from consentmilter.web.context import Context
from tests.unit.making import RING

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

VERBS = ("add", "check", "remove", "changes", "consent", "rights")


def token(name: str) -> str:
    """The token of that name."""
    return f"secret-of-{name}"


def _token(name: str, organisations: list[str], verbs: list[str]) -> dict[str, Any]:
    digest = sha256(token(name).encode()).hexdigest()
    return {name: {"sha256": digest, "organisations": organisations, "verbs": verbs}}


SITE: dict[str, Any] = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "organisations": {"acme": {"title": "Acme Ltd"}, "globex": {"title": "Globex"}},
    "streams": {
        "acme.newsletter": {"title": "Weekly newsletter", "description": "What is new, every Tuesday."},
        "acme.security": {"category": "security-patch", "title": "Security patches"},
        "globex.news": {"title": "Globex news"},
    },
    "web": {"pages_per_minute": 5},
    "intake": {"sender": "consent@example.com"},
    "api": {
        "tokens": {
            **_token("all", ["*"], list(VERBS)),
            **_token("acme", ["acme"], list(VERBS)),
            **_token("both", ["acme", "globex"], list(VERBS)),
            **{name: part for verb in VERBS for name, part in _token(verb, ["acme"], [verb]).items()},
        }
    },
}

READER = "reader@example.net"


@dataclass(frozen=True)
class Api:
    """The API of a site, and its store."""

    context: Context
    client: httpx.AsyncClient

    async def post(self, path: str, body: Any, name: str | None = "all", **headers: str) -> httpx.Response:
        """POST a body as JSON, or as it is, with the token of that name."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        every = {"Content-Type": "application/json"} | authorization(name) | headers
        return await self.client.post(path, content=content, headers=every)

    async def get(self, path: str, name: str | None = "all", **query: str | int) -> httpx.Response:
        return await self.client.get(path, params=query, headers=authorization(name))

    async def rows(self, who: str = READER) -> list[Suppression]:
        """What the list holds of somebody."""
        return await held(self.context.store, [self.key(who)])

    async def entries(self, who: str = READER) -> list[Entry]:
        """What the ledger tells of somebody."""
        return await history(self.context.store, [self.key(who)])

    def key(self, who: str) -> bytes:
        return subject_named(who, self.context.ring, self.context.site.foldings).key


def authorization(name: str | None) -> dict[str, str]:
    return {} if name is None else {"Authorization": f"Bearer {token(name)}"}


def make_site_store(directory: Path) -> str:
    """The URL of an empty store that knows the keys of the tests."""
    path = directory / "consent.db"
    path.write_bytes(_empty_store())
    return f"sqlite:///{path}"


@cache
def _empty_store() -> bytes:
    """The file of a store that was made once: to migrate one anew for each test would take most of its time."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "consent.db"
        migrate(f"sqlite:///{path}")
        record_keys(f"sqlite:///{path}", RING.checks())
        return path.read_bytes()


@asynccontextmanager
async def context_with(config: Config, ring: KeyRing, send: Send | None = None) -> AsyncIterator[Context]:
    """A configuration at work, on the store that it names; its clock stands at noon, and its mail goes to `send`."""
    site = compile_site(config)
    async with Store.open(config.store.url, ring.checks(), lock_timeout=1.0) as store:
        opting_in = OptingIn(config, site, ring, store, lambda: NOON, send or _nowhere)
        yield Context(config, site, ring, store, await open_targets(store, site), lambda: NOON, opting_in)


async def _nowhere(_message: bytes, _recipient: str) -> None:
    pass


def site_in(directory: Path, changes: Mapping[str, Any] | None = None) -> Config:
    """The site's configuration, with a store in the directory that is made if there is none."""
    made = (directory / "consent.db").exists()
    url = f"sqlite:///{directory / 'consent.db'}" if made else make_site_store(directory)
    return parse(yaml.safe_dump({**SITE, "store": {"url": url}, **(changes or {})}), "site.yaml")


@asynccontextmanager
async def serving(
    directory: Path, changes: Mapping[str, Any] | None = None, send: Send | None = None, **options: Any
) -> AsyncIterator[Api]:
    """The API of the site, called without a network."""
    async with context_with(site_in(directory, changes), RING, send) as context, calling(context, **options) as api:
        yield api


@asynccontextmanager
async def calling(context: Context, **options: Any) -> AsyncIterator[Api]:
    """The API of a context, called without a network."""
    transport = httpx.ASGITransport(application(context, **options), client=("192.0.2.1", 4711))
    async with httpx.AsyncClient(transport=transport, base_url="http://api.example") as client:
        yield Api(context, client)
