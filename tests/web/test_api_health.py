"""Health checks and metrics: without a token, and without a word about anybody."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse

from consentmilter.errors import StoreBusyError
from consentmilter.store.writer import Store
from consentmilter.web.api.health import Readiness
from consentmilter.web.api.metrics import counted, exposition
from consentmilter.web.api.problems import Problem
from tests.docs.pages import code, codes, page, table
from tests.store.support import run
from tests.web.api_site import READER, SITE, serving, token

DOCUMENTED = table(page("api.md"), "metric", "labels", "counts")


def counts(text: str) -> dict[tuple[str, ...], float]:
    """Every counter by its name and labels."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(each.name, *each.labels.values()): each.value for each in samples}


def test_a_process_that_serves_lives_and_is_ready_as_long_as_the_store_answers(tmp_path: Path) -> None:
    """HEAD asks as well as GET."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            for path, status in (("/health/live", "live"), ("/health/ready", "ready")):
                answer = await api.get(path, None)
                assert (answer.status_code, answer.json()) == (200, {"status": status})
                assert (await api.client.head(path)).status_code == 200

    run(scene())


def test_a_store_of_another_schema_is_not_ready(tmp_path: Path) -> None:
    """As after an upgrade that was forgotten; the process lives."""

    def break_schema() -> None:
        database = sqlite3.connect(tmp_path / "consent.db")
        with database:
            database.execute("UPDATE schema_version SET version_num = 'other'")
        database.close()

    async def scene() -> None:
        async with serving(tmp_path) as api:
            break_schema()
            answer = await api.get("/health/ready", None)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert (await api.get("/health/live", None)).status_code == 200

    run(scene())


class _Frozen:
    """A store that answers when it is told to, and counts the questions."""

    def __init__(self) -> None:
        self.questions = 0
        self.thawed = asyncio.Event()

    async def read(self, job: Callable[..., Awaitable[Any]]) -> None:
        self.questions += 1
        await self.thawed.wait()


def test_a_frozen_store_is_not_ready_in_time_and_is_asked_once_only() -> None:
    """However often a load balancer asks; and it is ready once it answers."""

    async def scene() -> None:
        store = _Frozen()
        readiness = Readiness(store, seconds=0.05)  # type: ignore[arg-type]  # stands for a disk that hangs
        started = time.monotonic()
        for _ in range(5):
            with pytest.raises(Problem) as problem:
                await readiness.require()
            assert problem.value.status == 503
        assert time.monotonic() - started < 30
        assert store.questions == 1
        store.thawed.set()
        await readiness.require()

    run(scene())


def test_every_metric_is_documented_and_no_other(tmp_path: Path) -> None:
    """With its labels and what it counts."""
    run(_some_traffic(tmp_path))
    families = {family.name: family for family in text_string_to_metric_families(exposition().decode())}
    found = {
        f"{name}_total": (set().union(*(sample.labels for sample in family.samples)), family.documentation)
        for name, family in families.items()
    }
    assert {code(name): set(codes(labels)) for name, labels, _ in DOCUMENTED} == {
        name: labels for name, (labels, _) in found.items()
    }
    assert {code(name): text for name, _, text in DOCUMENTED} == {name: text for name, (_, text) in found.items()}


async def _some_traffic(directory: Path) -> tuple[str, str]:
    """The metrics before and after some calls."""
    async with serving(directory) as api:
        before = (await api.get("/metrics", None)).text
        await api.post("/v1/suppressions", {"email": READER, "scope": "acme.newsletter"}, "add")
        await api.post("/v1/suppressions", {"email": READER, "scope": "globex"}, "add")
        await api.get("/v1/streams", None)
        await api.client.request("BREW", "/coffee")
        with patch.object(Store, "read", side_effect=StoreBusyError("locked")):
            await api.post("/v1/check", {"email": READER, "stream": "acme.newsletter"}, "check")
            await api.get("/health/ready", None)
        answer = await api.get("/metrics", None)
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        return before, answer.text


def test_calls_answers_and_store_failures_are_counted(tmp_path: Path) -> None:
    """Each once; a method that is none of ours is told in one word, however it is called."""
    before, after = map(counts, run(_some_traffic(tmp_path)))
    assert {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name)} == {
        ("consentmilter_api_calls_total", "add", "200"): 1,
        ("consentmilter_api_calls_total", "add", "403"): 1,
        ("consentmilter_api_calls_total", "check", "503"): 1,
        ("consentmilter_api_store_failures_total",): 2,
        ("consentmilter_http_answers_total", "api", "GET", "200"): 1,
        ("consentmilter_http_answers_total", "api", "GET", "401"): 1,
        ("consentmilter_http_answers_total", "api", "GET", "503"): 1,
        ("consentmilter_http_answers_total", "api", "POST", "200"): 1,
        ("consentmilter_http_answers_total", "api", "POST", "403"): 1,
        ("consentmilter_http_answers_total", "api", "POST", "503"): 1,
        ("consentmilter_http_answers_total", "api", "other", "404"): 1,
    }


def test_metrics_name_nobody(tmp_path: Path) -> None:
    """No person, no token, no stream, no client."""
    _, text = run(_some_traffic(tmp_path))
    named = [READER, "example", token("add"), "192.0.2", "newsletter", *SITE["organisations"]]
    assert [name for name in named if name in text] == []


def test_the_pages_are_counted_by_the_same_metric() -> None:
    """Whatever application stands behind the other listener."""

    async def scene() -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        app = counted(PlainTextResponse("Good-bye."), "web")
        await app({"type": "http", "method": "POST", "path": "/u/token", "headers": []}, None, send)  # type: ignore[arg-type]  # never receives
        assert sent[0]["status"] == 200

    name = ("consentmilter_http_answers_total", "web", "POST", "200")
    before = counts(exposition().decode()).get(name, 0)
    run(scene())
    assert counts(exposition().decode())[name] == before + 1
