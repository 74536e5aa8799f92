"""What the API tells: verdicts, changes, streams."""

import asyncio
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from consentmilter.config import load
from consentmilter.keys import KeyRing
from consentmilter.model import Assertion, Reason
from consentmilter.service.keyfile import read_keys
from consentmilter.service.suppressions import Actor, assert_one, begin_batch
from tests.cli.installation import Installation
from tests.files import HashAssertion, import_rows
from tests.store.support import run
from tests.web.api_site import READER, SITE, Api, calling, context_with, serving

PEOPLE = [READER, "someone.else@sub.example.org", "nobody@example.com"]


def asked(directory: Path, name: str, who: dict[str, str], stream: str) -> Any:
    """What the API answers to one question."""

    async def scene() -> Any:
        async with serving(directory) as api:
            return (await api.post("/v1/check", {**who, "stream": stream}, name)).json()

    return run(scene())


def test_mail_to_somebody_who_never_opted_out_is_allowed(tmp_path: Path) -> None:
    """With nothing said of why not."""
    assert asked(tmp_path, "check", {"email": "Reader@EXAMPLE.net"}, "acme.newsletter") == {
        "allowed": True, "subject": READER, "stream": "acme.newsletter", "category": "marketing", "basis": "consent",
        "mode": "enforce", "verdict": "accept", "bypassed": False, "opted_in": None, "reason": None,
        "scope": None, "since": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("acme.newsletter", {"allowed": False, "verdict": "reject", "bypassed": False, "reason": "unsubscribe"}),
        ("acme.security", {"allowed": True, "verdict": "accept", "bypassed": True, "reason": "unsubscribe"}),
        ("globex.news", {"allowed": True, "verdict": "accept", "bypassed": False, "reason": None}),
    ],
)
def test_mail_to_somebody_who_opted_out_is_allowed_where_the_category_is_exempt(
    tmp_path: Path, stream: str, expected: dict[str, Any]
) -> None:
    """And in streams that the opt-out does not cover."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            await api.post("/v1/suppressions", {"email": READER, "scope": "acme", "at": "2026-02-01T10:00:00Z"})
            told = (await api.post("/v1/check", {"email": READER, "stream": stream})).json()
            assert expected.items() <= told.items()
            since = ("acme", "2026-02-01T10:00:00Z") if expected["reason"] else (None, None)
            assert (told["scope"], told["since"]) == since

    run(scene())


def test_what_holds_for_everything_and_for_the_domain_decides_too(tmp_path: Path) -> None:
    """Also for a token that could not have asked for it."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            await api.post("/v1/suppressions", {"domain": ".example.net", "scope": "*", "reason": "manual"})
            told = (
                await api.post("/v1/check", {"email": "a@b.example.net", "stream": "acme.newsletter"}, "check")
            ).json()
            assert (told["allowed"], told["reason"], told["scope"]) == (False, "manual", "*")

    run(scene())


@pytest.mark.parametrize("spelling", [READER, "Reader@Example.net"])
def test_who_stands_in_a_hash_list_is_not_mailed(tmp_path: Path, spelling: str) -> None:
    """Whether the list hashed the address as it is, or as the caller writes it."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            actor = Actor("alice", "cli")
            batch = await begin_batch(api.context.store, "list.txt", b"d" * 32, actor, "acme", Reason.IMPORTED)
            listed = HashAssertion(sha256(spelling.encode()).digest(), "acme", Reason.IMPORTED)
            await import_rows(api.context.store, batch, [listed], actor, list_name="partner")
            told = (await api.post("/v1/check", {"email": "Reader@Example.net", "stream": "acme.newsletter"})).json()
            assert (told["allowed"], told["reason"], told["subject"]) == (False, "imported", READER)

    run(scene())


def test_the_api_and_the_command_give_the_same_verdict(tmp_path: Path) -> None:
    """For everybody and every stream, of what was added by either of them."""
    site = Installation(tmp_path / "site", SITE | {"addresses": {"example.net": {"sub_address": "+"}}})
    site.run("init")
    site.run("add", READER, "--scope", "acme.newsletter")
    site.run("add", ".example.org", "--scope", "acme", "--reason", "legal")
    config = load(site.config_file)
    streams = ["acme.newsletter", "acme.security", "globex.news", "bulk"]
    people = [*PEOPLE, "reader+tag@example.net", ".example.org", "sub.example.org"]

    async def ask_all() -> dict[tuple[str, str], Any]:
        async with context_with(config, ring()) as context, calling(context) as api:
            said = {"email": PEOPLE[2], "scope": "globex", "reason": "complaint"}
            assert (await api.post("/v1/suppressions", said)).status_code == 200
            return {(who, stream): await told(api, who, stream) for who in people for stream in streams}

    async def told(api: Api, who: str, stream: str) -> Any:
        field = "email" if "@" in who else "domain"
        return (await api.post("/v1/check", {field: who, "stream": stream})).json()

    def ring() -> KeyRing:
        return read_keys(config.keys.file)

    for (who, stream), api_told in run(ask_all()).items():
        done = site.run("check", who, "--stream", stream, "--json", code=None)
        [command_told] = done.json["streams"]
        assert (done.code, done.json["sent"]) == (0 if api_told["allowed"] else 1, api_told["allowed"])
        api_told["since"] = api_told["since"] and api_told["since"].replace("Z", "+00:00")
        del command_told["list"]  # the name of a partner's list is the operator's business
        assert command_told.items() <= api_told.items(), (who, stream)


def test_changes_are_told_in_their_order_and_from_a_cursor_on(tmp_path: Path) -> None:
    """The cursor of the end gives what comes later, once."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            opt_out = {"email": READER, "scope": "acme.newsletter"}
            await api.post("/v1/suppressions", opt_out, "acme")
            await api.post("/v1/removals", opt_out | {"evidence": {"ticket": "1"}}, "acme")
            first = (await api.get("/v1/changes", "changes", limit=1)).json()
            assert first["items"] == [
                {"at": "2026-03-01T12:00:00Z", "action": "add", "key": api.key(READER).hex(), "subject": READER,
                 "scope": "acme.newsletter", "reason": "unsubscribe", "origin": "api:acme", "batch": None}
            ]  # fmt: skip
            assert first["more"]
            second = (await api.get("/v1/changes", "changes", cursor=first["cursor"])).json()
            assert ([each["action"] for each in second["items"]], second["more"]) == (["lift"], False)
            await api.post("/v1/suppressions", opt_out | {"reason": "complaint"})
            third = (await api.get("/v1/changes", "changes", cursor=second["cursor"])).json()
            assert [each["reason"] for each in third["items"]] == ["complaint"]
            last = (await api.get("/v1/changes", "changes", cursor=third["cursor"])).json()
            assert (last["items"], last["more"]) == ([], False)

    run(scene())


def test_changes_of_others_are_left_out_and_the_cursor_goes_on_over_them(tmp_path: Path) -> None:
    """What holds for everything is told to tokens for everything only."""

    async def scene() -> dict[str, list[str]]:
        async with serving(tmp_path) as api:
            for scope in ("globex", "acme", "*", "acme.newsletter", "bulk"):
                await api.post("/v1/suppressions", {"email": READER, "scope": scope})
            return {name: await scopes_told(api, name) for name in ("acme", "both", "all")}

    async def scopes_told(api: Api, name: str) -> list[str]:
        page = (await api.get("/v1/changes", name, limit=1)).json()
        found = [each["scope"] for each in page["items"]]
        while page["more"]:
            page = (await api.get("/v1/changes", name, limit=1, cursor=page["cursor"])).json()
            found += [each["scope"] for each in page["items"]]
        return found

    assert run(scene()) == {
        "acme": ["acme", "acme.newsletter"],
        "both": ["globex", "acme", "acme.newsletter"],
        "all": ["globex", "acme", "*", "acme.newsletter", "bulk"],
    }


def test_clicks_are_told_without_an_address(tmp_path: Path) -> None:
    """A token in a link holds none; the key is there to tell people apart."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            said = Assertion(api.key(READER), None, "acme", Reason.UNSUBSCRIBE)
            await assert_one(api.context.store, said, Actor("", "click"), now=api.context.now)
            [change] = (await api.get("/v1/changes")).json()["items"]
            assert (change["subject"], change["key"], change["origin"]) == (None, api.key(READER).hex(), "click")

    run(scene())


@pytest.mark.parametrize("cursor", ["x", "AAAA", "=", "\u00e9", "x" * 300])
def test_a_cursor_that_is_none_is_refused(tmp_path: Path, cursor: str) -> None:
    """It is not taken for the beginning: that would tell everything again."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            answer = await api.get("/v1/changes", cursor=cursor)
            assert (answer.status_code, answer.json()["faults"][0]["field"]) == (422, "cursor")

    run(scene())


def test_the_streams_of_the_tokens_organisations_are_told(tmp_path: Path) -> None:
    """With title, category and what it means; the built-in ones to tokens for everything."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            told = (await api.get("/v1/streams", "check")).json()["streams"]
            assert told == [
                {"stream": "acme.newsletter", "organisation": "acme", "title": "Weekly newsletter",
                 "description": "What is new, every Tuesday.", "category": "marketing", "exempt": False,
                 "basis": "consent", "mode": "enforce"},
                {"stream": "acme.security", "organisation": "acme", "title": "Security patches", "description": None,
                 "category": "security-patch", "exempt": True, "basis": "legitimate-interest", "mode": "enforce"},
            ]  # fmt: skip
            every = (await api.get("/v1/streams", "all")).json()["streams"]
            assert {each["stream"] for each in every} >= {*SITE["streams"], "bulk"}

    run(scene())


def test_calls_go_on_beside_each_other(tmp_path: Path) -> None:
    """Many at once come each to its own answer."""

    async def scene() -> None:
        async with serving(tmp_path) as api:
            people = [f"reader{number}@example.net" for number in range(40)]
            await asyncio.gather(*(api.post("/v1/suppressions", {"email": who, "scope": "acme"}) for who in people))
            asked = (api.post("/v1/check", {"email": who, "stream": "acme.newsletter"}) for who in people)
            told = [answer.json() for answer in await asyncio.gather(*asked)]
            assert [(each["subject"], each["allowed"]) for each in told] == [(who, False) for who in people]

    run(scene())
