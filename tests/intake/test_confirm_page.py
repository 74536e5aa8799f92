"""The link of the question: a page that asks, and a button that opts out of what was asked about."""

import asyncio
from pathlib import Path

import httpx
import pytest

from consentmilter.tokens import Purpose
from consentmilter.web.application import build
from tests.intake.site import Site, copy_of


@pytest.mark.parametrize("scope", ["acme.newsletter", "acme", "*"])
def test_the_link_of_a_question_opts_out_of_what_was_asked_about(template: Path, tmp_path: Path, scope: str) -> None:
    """A stream, an organisation or everything; to look at the page changes nothing."""
    site = Site(copy_of(template, tmp_path / "site"), {"web": {"listen": "127.0.0.1:8025"}})
    path = f"/u/{site.token(stream=scope, purpose=Purpose.CONFIRM)}"

    async def confirm() -> list[int]:
        async with build(site.config) as apps:
            transport = httpx.ASGITransport(apps.public)
            async with httpx.AsyncClient(transport=transport, base_url="https://u.example.com") as client:
                seen = (await client.get(path)).status_code
                assert site.held() == []
                return [seen, (await client.post(path, data={"List-Unsubscribe": "One-Click"})).status_code]

    assert asyncio.run(confirm()) == [200, 200]
    assert site.held() == [(scope, "unsubscribe", "click")]


@pytest.mark.parametrize("purpose", [Purpose.BOUNCE, Purpose.UNDO])
def test_a_token_for_something_else_opens_no_page(template: Path, tmp_path: Path, purpose: Purpose) -> None:
    """404, as for a link that was damaged."""
    site = Site(copy_of(template, tmp_path / "site"))

    async def look() -> int:
        async with build(site.config) as apps:
            transport = httpx.ASGITransport(apps.public)
            async with httpx.AsyncClient(transport=transport, base_url="https://u.example.com") as client:
                return (await client.post(f"/u/{site.token(purpose=purpose)}")).status_code

    assert asyncio.run(look()) == 404
    assert site.held() == []
