"""What goes wrong with a call, and how the API says so."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consentmilter.web.api.access import Tokens
from tests.store.support import run
from tests.unit.making import examples
from tests.web.api_site import READER, Api, authorization, serving

PATHS = ("/v1/suppressions", "/v1/suppressions/batch", "/v1/check", "/v1/removals")
GOOD = {"email": READER, "scope": "acme"}


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem that the answer is (RFC 9457), once it was seen to be one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem: dict[str, Any] = answer.json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    assert problem["request"] == answer.headers["x-request-id"]
    return problem


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/suppressions", {"scope": "acme"}, "body"),
        ("/v1/suppressions", GOOD | {"domain": "example.net"}, "body"),
        ("/v1/suppressions", {"email": READER}, "scope"),
        ("/v1/suppressions", GOOD | {"email": 1}, "email"),
        ("/v1/suppressions", GOOD | {"email": None}, "email"),
        ("/v1/suppressions", GOOD | {"email": ""}, "email"),
        ("/v1/suppressions", GOOD | {"email": "@"}, "email"),
        ("/v1/suppressions", GOOD | {"email": "reader@example.net\r\nBcc: x"}, "email"),
        ("/v1/suppressions", GOOD | {"email": "\u0000@example.net"}, "email"),
        ("/v1/suppressions", GOOD | {"email": "x" * 400 + "@example.net"}, "email"),
        ("/v1/suppressions", {"domain": "com", "scope": "acme"}, "domain"),
        ("/v1/suppressions", GOOD | {"scope": "ACME"}, "scope"),
        ("/v1/suppressions", GOOD | {"reason": "imported"}, "reason"),
        ("/v1/suppressions", GOOD | {"at": "2026-02-01"}, "at"),
        ("/v1/suppressions", GOOD | {"at": "2026-02-01T12:00:00"}, "at"),
        ("/v1/suppressions", GOOD | {"at": "2026-02-31T12:00:00Z"}, "at"),
        ("/v1/suppressions", GOOD | {"at": 1769947200}, "at"),
        ("/v1/suppressions", GOOD | {"at": "1769947200"}, "at"),
        ("/v1/suppressions", GOOD | {"evidence": {"form": 1}}, "evidence.form"),
        ("/v1/suppressions", GOOD | {"evidence": {"form": "x" * 501}}, "evidence.form"),
        ("/v1/suppressions", GOOD | {"evidence": {str(n): "x" for n in range(17)}}, "evidence"),
        ("/v1/suppressions", GOOD | {"force": True}, "force"),
        ("/v1/suppressions", [GOOD], "body"),
        ("/v1/suppressions/batch", {"items": []}, "items"),
        ("/v1/suppressions/batch", {"items": [GOOD] * 1001}, "items"),
        ("/v1/suppressions/batch", {"items": [GOOD, {"email": READER}]}, "items.1.scope"),
        ("/v1/check", {"email": READER}, "stream"),
        ("/v1/check", {"email": READER, "stream": "acme.nothing"}, "stream"),
        ("/v1/check", {"email": "@", "stream": "acme.newsletter"}, "email"),
        ("/v1/removals", GOOD, "evidence"),
        ("/v1/removals", GOOD | {"reason": "whim", "evidence": {"ticket": "1"}}, "reason"),
        ("/v1/removals", GOOD | {"email": "@", "evidence": {"ticket": "1"}}, "email"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(tmp_path: Path, path: str, body: Any, field: str) -> None:
    """With 422, and what is wrong with it; nothing is changed, and nothing logged."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            problem = is_problem(await api.post(path, body), 422)
            assert field in [fault["field"] for fault in problem["faults"]]
            assert all(fault["fault"] for fault in problem["faults"])
            assert await api.rows() == []

    with capture_logs() as logged:
        run(scene())
    assert logged == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"cursor": ""}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"since": "x"}, "since"),
        ({"limit": ["1", "2"]}, "limit"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(tmp_path: Path, query: Any, field: str) -> None:
    """As a field of a body is."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            answer = await api.client.get("/v1/changes", params=query, headers=authorization("all"))
            assert [fault["field"] for fault in is_problem(answer, 422)["faults"]] == [field]

    run(scene())


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"email=reader%40example.net", b'{"email": "a@b.example"', b"\xff\xfe{}", b'{"email": "\\ud800"}',
     b"[" * 60_000, b'{"a":' * 10_000, b'{"scope": "\xff"}', b"NaN x"],
)  # fmt: skip
def test_what_is_no_json_is_400(tmp_path: Path, body: bytes) -> None:
    """However deep it goes."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            is_problem(await api.post("/v1/suppressions", body), 400)

    run(scene())


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
                                  "application/json; charset=utf-16", "application/problem+json"])  # fmt: skip
def test_another_kind_of_body_is_415(tmp_path: Path, kind: str) -> None:
    """A form that a browser was lured into sending is no call."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            is_problem(await api.post("/v1/suppressions", GOOD, **{"Content-Type": kind}), 415)
            is_problem(await api.post("/v1/suppressions", GOOD, **{"Content-Encoding": "gzip"}), 415)
            for good in ("application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'):
                answer = await api.post("/v1/suppressions", GOOD, **{"Content-Type": good})
                assert answer.status_code == 200

    run(scene())


@pytest.mark.parametrize(
    ("path", "most"), [("/v1/suppressions", 65536), ("/v1/check", 65536), ("/v1/suppressions/batch", 1048576)]
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_that_is_too_long_is_413_and_not_read_to_its_end(
    tmp_path: Path, path: str, most: int, announced: bool
) -> None:
    """Whether it says so before or not; one that just fits is read."""
    sent = []

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            sent.append(16384)
            yield b" " * 16384

    async def scene() -> None:
        async with serving(tmp_path) as api:
            if announced:
                answer = await api.post(path, b" " * (most + 1))
            else:
                headers = authorization("all") | {"Content-Type": "application/json"}
                answer = await api.client.post(path, content=endless(), headers=headers)
            is_problem(answer, 413)
            assert answer.headers["connection"] == "close"
            is_problem(await api.post(path, json.dumps(GOOD | {"x": ""}).encode().ljust(most)), 422)

    run(scene())
    assert sum(sent) <= most + 2 * 16384


def test_a_body_that_does_not_come_is_408(tmp_path: Path) -> None:
    """The caller is told in time, and other calls go on meanwhile."""
    answers: list[int] = []

    async def trickle(served: asyncio.Event) -> AsyncIterator[bytes]:
        yield b"{"
        await served.wait()
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    async def scene() -> None:
        async with serving(tmp_path, body_seconds=0.3) as api:
            served = asyncio.Event()
            headers = authorization("all") | {"Content-Type": "application/json"}
            slow = asyncio.create_task(api.client.post("/v1/suppressions", content=trickle(served), headers=headers))
            answers.append((await api.post("/v1/suppressions", GOOD)).status_code)
            served.set()
            is_problem(await slow, 408)

    run(scene())
    assert answers == [200]


def test_what_is_not_there_is_404_and_what_cannot_be_done_405(tmp_path: Path) -> None:
    """With the methods that can."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            for path in ("/", "/v1", "/v1/", "/v1/check/", "/v2/check", "/u/token", "/docs", "/v1/%63heck2"):
                is_problem(await api.get(path), 404)
            for path in PATHS:
                answer = await api.get(path)
                is_problem(answer, 405)
                assert answer.headers["allow"] == "POST"
            for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
                answer = await api.client.request(method, "/v1/changes", headers=authorization("all"))
                is_problem(answer, 405)
                assert answer.headers["allow"] == "GET, HEAD"

    run(scene())


@pytest.mark.parametrize("path", ["/v1/streams", "/v1/check"])
def test_a_fault_of_ours_is_500_without_detail(tmp_path: Path, path: str) -> None:
    """The log has the traceback, under the same id as the answer."""

    async def scene(api: Api) -> None:
        with patch.object(Tokens, "caller", side_effect=RuntimeError("a secret detail")):
            problem = is_problem(await api.client.request("POST" if "check" in path else "GET", path), 500)
        assert set(problem) == {"type", "title", "status", "request"}
        [event] = [each for each in logged if each["event"] == "api_fault"]
        assert (event["log_level"], event["request"]) == ("error", problem["request"])
        assert event["exc_info"]

    async def played() -> None:
        async with serving(tmp_path) as api:
            await scene(api)

    with capture_logs() as logged:
        run(played())


def test_every_call_meets_a_store_that_is_gone_with_503(tmp_path: Path) -> None:
    """And when to come again; nothing of the store's place is told."""

    def take_away() -> None:
        for path in tmp_path.glob("consent.db*"):
            path.rename(f"{path}.away")

    async def scene() -> None:
        async with serving(tmp_path) as api:
            take_away()
            evidence = {"evidence": {"ticket": "1"}}
            answers = [
                await api.post("/v1/suppressions", GOOD),
                await api.post("/v1/suppressions/batch", {"items": [GOOD]}),
                await api.post("/v1/check", {"email": READER, "stream": "acme.newsletter"}),
                await api.post("/v1/removals", GOOD | evidence),
                await api.get("/v1/changes"),
                await api.get("/health/ready"),
            ]
            for answer in answers:
                is_problem(answer, 503)
                assert answer.headers["retry-after"] == "5"
                assert "consent.db" not in answer.text
            assert (await api.get("/health/live")).status_code == 200

    run(scene())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "email": st.emails() | st.text(max_size=30) | JSON,
        "domain": st.text(max_size=30),
        "scope": st.sampled_from(["acme", "acme.newsletter", "*", "", "x"]) | JSON,
        "stream": st.sampled_from(["acme.newsletter", "x"]) | JSON,
        "reason": st.sampled_from(["unsubscribe", "legal"]) | JSON,
        "at": st.datetimes().map(lambda at: f"{at.isoformat()}Z") | st.text(max_size=30) | JSON,
        "evidence": st.dictionaries(st.text(max_size=50), st.text(max_size=20), max_size=3) | JSON,
        "items": JSON,
    },
)


def test_no_body_is_met_with_a_fault_of_ours(tmp_path: Path) -> None:
    """Whatever JSON it is, or octets that are none."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            loop = asyncio.get_running_loop()

            @examples(300)
            @given(path=st.sampled_from(PATHS), body=FIELDS | JSON | st.binary(max_size=40))
            def call(path: str, body: Any) -> None:
                said = body if isinstance(body, bytes) else json.dumps(body).encode()
                answer = asyncio.run_coroutine_threadsafe(api.post(path, said), loop).result(30)
                assert answer.status_code in (200, 400, 422), answer.text
                json.loads(answer.content)

            await asyncio.to_thread(call)  # hypothesis is not asynchronous

    run(scene())
