"""Who may do what: every call with every token, and tokens that are none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.store.support import run
from tests.web.api_site import READER, SITE, VERBS, Api, authorization, serving

TOKENS = SITE["api"]["tokens"]
SCOPES = ("acme", "acme.newsletter", "globex.news", "*")

CALLS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "add": ("/v1/suppressions", {}),
    "batch": ("/v1/suppressions/batch", {}),
    "check": ("/v1/check", {}),
    "remove": ("/v1/removals", {"evidence": {"ticket": "1"}}),
    "grant": ("/v1/consents", {"evidence": {"form": "sign-up"}}),
    "request": ("/v1/consents/requests", {}),
    "withdraw": ("/v1/consents/withdrawals", {}),
    "check-consent": ("/v1/consents/check", {}),
    "object": ("/v1/subjects/object", {}),
}

VERB_OF = {
    "batch": "add",
    "grant": "consent",
    "request": "consent",
    "withdraw": "consent",
    "check-consent": "check",
    "object": "rights",
}
OF_STREAMS = ("check", "grant", "request", "check-consent")


def allowed(name: str, call: str, scope: str) -> int:
    """The status that the configuration of the token promises."""
    part = TOKENS[name]
    verb = VERB_OF.get(call, call)
    organisations = part["organisations"]
    if verb not in part["verbs"] or not ("*" in organisations or scope.partition(".")[0] in organisations):
        return 403
    # Only a stream can be asked for, and only an organisation be objected to.
    return 422 if (call in OF_STREAMS and "." not in scope) or (call == "object" and "." in scope) else 200


def test_every_call_with_every_token_in_every_scope(tmp_path: Path) -> None:
    """A token is good for its verbs in its organisations, `*` being none of them, and for nothing else."""

    async def scene() -> dict[tuple[str, str, str], int]:
        found = {}
        async with serving(tmp_path) as api:
            for name in TOKENS:
                for call, (path, more) in CALLS.items():
                    for scope in SCOPES:
                        body = {"email": READER, "stream" if call in OF_STREAMS else "scope": scope, **more}
                        answer = await api.post(path, {"items": [body]} if call == "batch" else body, name)
                        found[name, call, scope] = answer.status_code
        return found

    found = run(scene())
    assert found == {(name, call, scope): allowed(name, call, scope) for name, call, scope in found}
    assert len(found) == len(TOKENS) * len(CALLS) * len(SCOPES)
    assert set(found.values()) == {200, 403, 422}


def test_what_was_refused_changed_nothing(tmp_path: Path) -> None:
    """Neither an opt-out nor a removal in the scope of others."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            for name in ("acme", "check", "remove", "changes"):
                refused = await api.post("/v1/suppressions", {"email": READER, "scope": "globex.news"}, name)
                assert refused.status_code == 403
            assert await api.rows() == []
            await api.post("/v1/suppressions", {"email": READER, "scope": "*"}, "all")
            said = {"email": READER, "scope": "*", "evidence": {"ticket": "1"}}
            assert (await api.post("/v1/removals", said, "acme")).status_code == 403
            assert len(await api.rows()) == 1

    run(scene())


@pytest.mark.parametrize("name", TOKENS)
def test_reading_calls_take_their_verb_only(tmp_path: Path, name: str) -> None:
    """The streams are told to every good token."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            assert (await api.get("/v1/streams", name)).status_code == 200
            expected = 200 if "changes" in TOKENS[name]["verbs"] else 403
            assert (await api.get("/v1/changes", name)).status_code == expected

    run(scene())


def test_streams_of_others_look_like_streams_that_are_not_there(tmp_path: Path) -> None:
    """A token learns nothing of an organisation that is not its own."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            told = [
                await api.post("/v1/check", {"email": READER, "stream": stream}, "acme")
                for stream in ("globex.news", "globex.secret", "nobody.news")
            ]
            bodies = [{**answer.json(), "request": None} for answer in told]
            assert bodies[0] == bodies[1] == bodies[2]

    run(scene())


@pytest.mark.parametrize(
    "authorization_line",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic c2VjcmV0LW9mLWFsbDo=",
        "secret-of-all",
        "Bearer secret-of-al",
        "Bearer secret-of-all-",
        "Bearer SECRET-OF-ALL",
        "Bearer " + TOKENS["all"]["sha256"],
        "Bearer " + "x" * 10_000,
        "Bearer \u00e9\u00ff",
    ],
)
def test_a_token_that_is_none_is_401_with_a_challenge(tmp_path: Path, authorization_line: str | None) -> None:
    """Its digest is none either."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            headers = {} if authorization_line is None else {"Authorization": authorization_line.encode("latin-1")}
            answer = await api.client.get("/v1/streams", headers=headers)  # type: ignore[arg-type]  # octets beyond ASCII
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer ")
            assert answer.headers["content-type"] == "application/problem+json"

    run(scene())


def test_the_scheme_of_a_good_token_is_read_in_any_case(tmp_path: Path) -> None:
    """RFC 9110 11.1."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            line = authorization("all")["Authorization"].replace("Bearer", "bEARER")
            assert (await api.client.get("/v1/streams", headers={"Authorization": line})).status_code == 200

    run(scene())


def test_a_network_that_guesses_has_to_wait_and_a_good_token_never(tmp_path: Path) -> None:
    """The site of the tests lets five a minute pass; the events name the network's client, never the token."""

    async def guess(api: Api) -> int:
        return (await api.get("/v1/streams", "none-of-ours")).status_code

    async def scene() -> None:
        async with serving(tmp_path) as api:
            assert [await guess(api) for _ in range(7)] == [401] * 5 + [429] * 2
            refused = await api.get("/v1/streams", None)
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "12")
            assert [(await api.get("/v1/streams", "all")).status_code for _ in range(20)] == [200] * 20

    with capture_logs() as logged:
        run(scene())
    events = [each for each in logged if each["event"] == "api_refused"]
    assert [(each["log_level"], each["client"]) for each in events] == [("warning", "192.0.2.1")] * 5
    assert "secret" not in str(logged)


def test_a_site_without_tokens_lets_nobody_in(tmp_path: Path) -> None:
    """The health checks are still answered."""

    async def scene() -> None:
        async with serving(tmp_path, {"api": {}}) as api:
            assert (await api.get("/v1/streams", "all")).status_code == 401
            assert (await api.get("/health/live", None)).status_code == 200

    run(scene())


def test_the_table_of_tokens_covers_every_verb() -> None:
    """The matrix above is worth what stands in it."""
    assert {verb for part in TOKENS.values() for verb in part["verbs"]} == set(VERBS)
