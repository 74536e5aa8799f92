"""While the store is away nothing is said to be done: 503, and the list as it was."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consentmilter.errors import StoreError
from consentmilter.service import clicks
from consentmilter.service.suppressions import Outcome
from consentmilter.store.writer import Store
from consentmilter.web import pages
from tests.store.support import shell
from tests.web.pages_site import ONE_CLICK, Served, on_site, token
from tests.web.test_pages import undo_of

PATIENCE = 0.2


async def refuses(site: Served, database: Path, path: str, content: bytes) -> None:
    """Ask while another process holds the database, and find that nothing was done or said to be."""
    before = await site.contents()
    with shell(database) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = await site.client.post(path, content=content)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "Not done yet" in answer.text
        assert "You are unsubscribed" not in answer.text
        other.execute("ROLLBACK")
    assert await site.contents() == before


@pytest.mark.parametrize(
    ("path", "content"),
    [("u", ONE_CLICK), ("u", b"do=unsubscribe"), ("p", b"do=everything"), ("p", b"do=selected&stream=acme.offers")],
)
def test_what_cannot_be_stored_is_not_done(url: str, path: str, content: bytes) -> None:
    """Once the store is back, the same request succeeds."""
    database = Path(url.removeprefix("sqlite:///"))

    async def story(site: Served) -> None:
        await refuses(site, database, f"/{path}/{token()}", content)
        assert (await site.client.post(f"/{path}/{token()}", content=content)).status_code == 200
        assert len(await site.held()) == 1

    on_site(url, story, patience=PATIENCE)


def test_an_undo_that_cannot_be_stored_is_not_done(url: str) -> None:
    """The opt-out holds until it can."""
    database = Path(url.removeprefix("sqlite:///"))

    async def story(site: Served) -> None:
        done = await site.client.post(f"/u/{token()}", data={"do": "unsubscribe"})
        form = f"undo={undo_of(done)}".encode()
        await refuses(site, database, f"/u/{token()}", form)
        assert len(await site.held()) == 1

    on_site(url, story, patience=PATIENCE)


def test_an_answer_before_the_commit_would_be_noticed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof above can fail."""
    real = clicks.click

    async def hasty(store: Store, subject: bytes, scopes: Sequence[str], *, evidence: str, at: datetime) -> Outcome:
        try:
            return await real(store, subject, scopes, evidence=evidence, at=at)
        except StoreError:
            return Outcome(1, 0)

    monkeypatch.setattr(clicks, "click", hasty)

    async def story(site: Served) -> None:
        with pytest.raises(AssertionError):
            await refuses(site, Path(url.removeprefix("sqlite:///")), f"/u/{token()}", ONE_CLICK)

    on_site(url, story, patience=PATIENCE)


def test_pages_need_no_store(url: str) -> None:
    """Who only looks is served while it is away."""

    async def story(site: Served) -> None:
        with shell(Path(url.removeprefix("sqlite:///"))) as other:
            other.execute("BEGIN EXCLUSIVE")
            assert (await site.client.get(f"/u/{token()}")).status_code == 200
            assert (await site.client.get(f"/p/{token()}")).status_code == 200

    on_site(url, story, patience=PATIENCE)


def test_the_log_names_no_link(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """People by their keys, causes in words; neither tokens nor paths, not even where a fault is ours."""

    def failing(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    async def story(site: Served) -> None:
        with capture_logs() as events:
            done = await site.client.post(f"/u/{token()}", data={"do": "unsubscribe"})
            await site.client.post(f"/u/{token()}", data={"undo": undo_of(done)})
            await site.client.get("/u/x")
            await refuses(site, Path(url.removeprefix("sqlite:///")), f"/u/{token()}", ONE_CLICK)
            monkeypatch.setattr(pages, "read_link", failing)
            assert (await site.client.get(f"/u/{token()}")).status_code == 500
        assert [event["event"] for event in events] == [
            "clicked",
            "click_taken_back",
            "request_not_stored",
            "request_failed",
        ]
        assert events[0] == {
            "event": "clicked",
            "log_level": "info",
            "subject": (1).to_bytes(16).hex(),
            "scopes": ["acme.newsletter"],
            "way": "unsubscribe page",
        }
        for secret in (token(), undo_of(done), "/u/"):
            assert secret not in str(events)

    on_site(url, story, patience=PATIENCE)
