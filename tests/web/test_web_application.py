"""What the web role serves, opened from a configuration as `init` leaves it."""

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from consentmilter import tokens
from consentmilter.config import Config
from consentmilter.errors import ConfigError, ConsentMilterError, KeyFileError, StoreError
from consentmilter.service.keyfile import read_keys
from consentmilter.service.setup import make_keys, make_store
from consentmilter.tokens import Purpose, Token, stream_hash
from consentmilter.web.application import build
from tests.store.support import person
from tests.web.pages_site import CONFIG, ISSUED, ONE_CLICK


def installed(directory: Path, **changes: Any) -> Config:
    """The configuration of a site whose keys and store have been made."""
    places = {"store": {"url": f"sqlite:///{directory / 'consent.db'}"}, "keys": {"file": str(directory / "keys.yaml")}}
    config = Config.model_validate(CONFIG | places | changes)
    make_keys(config, os.urandom)
    make_store(config, read_keys(config.keys.file))
    return config


def test_a_click_reaches_the_store_of_the_configuration(tmp_path: Path) -> None:
    """And another building of the same finds it known: nothing is kept in memory."""
    config = installed(tmp_path)
    link = Token(Purpose.UNSUBSCRIBE, person(1), stream_hash("acme.newsletter"), ISSUED)
    path = f"/u/{tokens.make(link, read_keys(config.keys.file))}"

    async def clicked() -> None:
        async with build(config) as apps:
            transport = httpx.ASGITransport(apps.public)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                assert (await client.post(path, content=ONE_CLICK)).status_code == 200
                assert (await client.get(path)).status_code == 200

    asyncio.run(clicked())
    asyncio.run(clicked())


@pytest.mark.parametrize(("api", "served"), [({}, False), ({"listen": "127.0.0.1:8026"}, True)])
def test_the_api_is_served_where_it_has_a_listener(tmp_path: Path, api: dict[str, Any], served: bool) -> None:
    """Never among the public pages."""
    config = installed(tmp_path, api=api)

    async def look() -> None:
        async with build(config) as apps:
            assert (apps.api is not None) is served
            async with httpx.AsyncClient(transport=httpx.ASGITransport(apps.public), base_url="http://x") as client:
                for path in ("/health/live", "/v1/changes", "/openapi.json", "/metrics"):
                    assert (await client.get(path)).status_code == 404

    asyncio.run(look())


@pytest.mark.parametrize(
    ("missing", "error"),
    [("keys.yaml", KeyFileError), ("consent.db", StoreError), ("logo.png", ConfigError)],
)
def test_what_is_missing_is_named_at_start(tmp_path: Path, missing: str, error: type[ConsentMilterError]) -> None:
    """Not at somebody's first click."""
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n")
    config = installed(tmp_path, web={"logo": str(logo)})
    (tmp_path / missing).unlink()

    async def start() -> None:
        async with build(config):
            pass

    with pytest.raises(error, match=missing):
        asyncio.run(start())
