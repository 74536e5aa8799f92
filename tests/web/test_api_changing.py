"""What the API changes: opt-outs come in, one or many, and are lifted with evidence."""

import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consentmilter.ledger import Action
from consentmilter.model import Reason, Suppression
from consentmilter.store.sqlite.lock import held as lock_held
from tests.store.support import run
from tests.web.api_site import NOON, READER, Api, serving

Scene = Callable[[Api], Coroutine[Any, Any, None]]

OPT_OUT = {"email": READER, "scope": "acme.newsletter"}


def play(directory: Path, scene: Scene, **changes: Any) -> None:
    """Play a scene with the API of a site."""

    async def played() -> None:
        async with serving(directory, changes) as api:
            await scene(api)

    run(played())


def test_an_opt_out_is_on_the_list_and_in_the_ledger(tmp_path: Path) -> None:
    """With the reason, the time, and what the form knew; the token's name says who recorded it."""

    async def scene(api: Api) -> None:
        said = OPT_OUT | {
            "email": " Reader@Example.NET",
            "reason": "objection",
            "at": "2026-02-28T23:30:00-01:00",
            "evidence": {"form": "footer", "ip": "198.51.100.7"},
        }
        answer = await api.post("/v1/suppressions", said, "acme")
        assert (answer.status_code, answer.json()) == (
            200,
            {"subject": READER, "scope": "acme.newsletter", "reason": "objection"},
        )
        at = NOON - timedelta(hours=11, minutes=30)
        [row] = await api.rows()
        assert row == Suppression(api.key(READER), "acme.newsletter", Reason.OBJECTION, "api:acme", at, address=READER)
        [entry] = await api.entries()
        assert (entry.action, entry.source, entry.actor) == (Action.ADD, "api", "acme")
        assert entry.evidence is not None
        assert json.loads(entry.evidence.data["evidence"]) == {"form": "footer", "ip": "198.51.100.7"}

    play(tmp_path, scene)


def test_an_opt_out_without_more_is_an_unsubscribe_of_now(tmp_path: Path) -> None:
    """A form has to send only who and what."""

    async def scene(api: Api) -> None:
        assert (await api.post("/v1/suppressions", OPT_OUT, "add")).status_code == 200
        [row] = await api.rows()
        assert (row.reason, row.created) == (Reason.UNSUBSCRIBE, NOON)

    play(tmp_path, scene)


def test_the_same_opt_out_again_is_answered_alike(tmp_path: Path) -> None:
    """A retry does no harm, and a token for adding cannot be used to ask who is on the list."""

    async def scene(api: Api) -> None:
        first = await api.post("/v1/suppressions", OPT_OUT, "add")
        again = await api.post("/v1/suppressions", OPT_OUT, "add")
        assert (first.status_code, first.content) == (again.status_code, again.content)
        [row] = await api.rows()
        assert row.asserted_again
        assert [entry.action for entry in await api.entries()] == [Action.ADD, Action.REPEAT]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("at", "since"),
    [
        ("2026-03-01T12:10:00Z", NOON),
        ("9999-12-31T23:59:59-12:00", NOON),
        ("0001-01-01T00:00:00+14:00", NOON.replace(year=1970, month=1, hour=0)),
    ],
)
def test_a_wrong_clock_costs_nobody_the_opt_out(tmp_path: Path, at: str, since: Any) -> None:
    """A time that cannot have been counts as the nearest that can."""

    async def scene(api: Api) -> None:
        assert (await api.post("/v1/suppressions", OPT_OUT | {"at": at})).status_code == 200
        [row] = await api.rows()
        assert row.created == since

    play(tmp_path, scene)


def test_a_domain_is_suppressed_under_its_own_field_only(tmp_path: Path) -> None:
    """Whoever types a domain into a form for addresses does not opt out everybody there."""

    async def scene(api: Api) -> None:
        wrong = await api.post("/v1/suppressions", {"email": "example.net", "scope": "acme"})
        assert wrong.status_code == 422
        assert wrong.json()["faults"] == [{"field": "email", "fault": "not an e-mail address"}]
        assert await api.rows("example.net") == []
        assert (await api.post("/v1/suppressions", {"domain": READER, "scope": "acme"})).status_code == 422
        right = await api.post("/v1/suppressions", {"domain": "Example.NET", "scope": "acme"})
        assert right.json()["subject"] == "example.net"
        assert len(await api.rows("example.net")) == 1

    play(tmp_path, scene)


def test_without_stored_addresses_only_the_key_is_kept(tmp_path: Path) -> None:
    """As for every other way in."""

    async def scene(api: Api) -> None:
        assert (await api.post("/v1/suppressions", OPT_OUT)).status_code == 200
        [row] = await api.rows()
        assert row.address is None

    play(tmp_path, scene, privacy={"store_addresses": False})


def test_a_batch_is_recorded_as_a_whole(tmp_path: Path) -> None:
    """In one transaction; who stands in it twice does no harm."""

    async def scene(api: Api) -> None:
        items = [{"email": f"reader{number}@example.net", "scope": "acme"} for number in range(50)]
        answer = await api.post("/v1/suppressions/batch", {"items": [*items, items[0]]}, "add")
        assert (answer.status_code, answer.json()) == (200, {"recorded": 51})
        assert [len(await api.rows(f"reader{number}@example.net")) for number in (0, 49)] == [1, 1]

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("wrong", "status", "fault"),
    [
        ({"email": "nobody", "scope": "acme"}, 422, "items.1.email"),
        ({"email": "a b@example.net", "scope": "acme"}, 422, "items.1.email"),
        ({"email": READER, "scope": "acme.nothing"}, 422, "items.1.scope"),
        ({"email": READER, "scope": "acme", "reason": "legal"}, 422, "items.1.reason"),
        ({"email": READER, "scope": "acme", "whom": "x"}, 422, "items.1.whom"),
        ({"email": READER, "scope": "globex"}, 403, None),
    ],
)
def test_a_batch_with_one_wrong_item_changes_nothing(
    tmp_path: Path, wrong: dict[str, str], status: int, fault: str | None
) -> None:
    """The item is named by its place, and the caller sends the batch again without it."""

    async def scene(api: Api) -> None:
        answer = await api.post("/v1/suppressions/batch", {"items": [OPT_OUT, wrong]}, "acme")
        assert answer.status_code == status
        assert [each["field"] for each in answer.json().get("faults", [])] == ([fault] if fault else [])
        assert await api.rows() == []

    play(tmp_path, scene)


def test_a_removal_lifts_what_stands_in_its_scope_and_keeps_the_evidence(tmp_path: Path) -> None:
    """What stands in other scopes stays, and so does everybody else."""

    async def scene(api: Api) -> None:
        for scope in ("acme", "acme.newsletter"):
            await api.post("/v1/suppressions", {"email": READER, "scope": scope})
        await api.post("/v1/suppressions", OPT_OUT | {"email": "other@example.net"})
        said = OPT_OUT | {"evidence": {"form": "sign-up", "confirmed": "2026-03-01"}}
        answer = await api.post("/v1/removals", said, "remove")
        assert answer.status_code == 200
        assert answer.json() == {
            "lifted": [
                {
                    "subject": READER,
                    "scope": "acme.newsletter",
                    "reason": "unsubscribe",
                    "since": "2026-03-01T12:00:00Z",
                }
            ]
        }
        assert [row.scope for row in await api.rows()] == ["acme"]
        assert len(await api.rows("other@example.net")) == 1
        entry = (await api.entries())[-1]
        assert (entry.action, entry.actor) == (Action.LIFT, "remove")
        assert entry.evidence is not None
        assert "sign-up" in entry.evidence.data["evidence"]
        assert (await api.post("/v1/removals", said, "remove")).json() == {"lifted": []}

    play(tmp_path, scene)


def test_a_removal_of_one_reason_leaves_the_others(tmp_path: Path) -> None:
    """Signing up again takes an unsubscribe back, not the bounce of a dead mailbox."""

    async def scene(api: Api) -> None:
        for reason in ("unsubscribe", "hard_bounce"):
            await api.post("/v1/suppressions", OPT_OUT | {"reason": reason})
        said = OPT_OUT | {"reason": "unsubscribe", "evidence": {"ticket": "4711"}}
        assert len((await api.post("/v1/removals", said)).json()["lifted"]) == 1
        assert [row.reason for row in await api.rows()] == [Reason.HARD_BOUNCE]

    play(tmp_path, scene)


@pytest.mark.parametrize("evidence", [None, {}, {"note": "  "}, "called", {"note": ""}])
def test_nothing_is_lifted_without_evidence(tmp_path: Path, evidence: Any) -> None:
    """Blanks are none."""

    async def scene(api: Api) -> None:
        await api.post("/v1/suppressions", OPT_OUT)
        said = OPT_OUT | ({} if evidence is None else {"evidence": evidence})
        assert (await api.post("/v1/removals", said)).status_code == 422
        assert len(await api.rows()) == 1

    play(tmp_path, scene)


def test_a_removal_lifts_what_was_stored_before_a_folding_was_set(tmp_path: Path) -> None:
    """Both forms of the address are the person, as for `consentmilter remove`."""

    async def add(api: Api) -> None:
        await api.post("/v1/suppressions", OPT_OUT | {"email": "reader+x@example.net"})

    async def remove(api: Api) -> None:
        said = OPT_OUT | {"email": "reader+x@example.net", "evidence": {"ticket": "1"}}
        lifted = (await api.post("/v1/removals", said)).json()["lifted"]
        assert [row["subject"] for row in lifted] == ["reader+x@example.net"]

    play(tmp_path, add)
    play(tmp_path, remove, addresses={"example.net": {"sub_address": "+"}})


@pytest.mark.parametrize("addresses", [False, True])
def test_each_change_is_one_event_that_names_a_person_only_where_the_site_asks_for_it(
    tmp_path: Path, addresses: bool
) -> None:
    """By key in any case; the request's id is that of the answer."""

    async def scene(api: Api) -> None:
        added = await api.post("/v1/suppressions", OPT_OUT, "acme")
        removed = await api.post("/v1/removals", OPT_OUT | {"evidence": {"ticket": "1"}}, "acme")
        about = {"token": "acme", "subject": api.key(READER).hex(), "scope": "acme.newsletter"}
        about |= {"reason": "unsubscribe"} | ({"address": READER} if addresses else {})
        assert [each for each in logged if each["event"].startswith("api_")] == [
            {"event": event, "log_level": "info", "request": answer.headers["x-request-id"], **about}
            for event, answer in (("api_added", added), ("api_removed", removed))
        ]
        assert ("example.net" in str(logged)) is addresses

    with capture_logs() as logged:
        play(tmp_path, scene, log={"addresses": addresses})


def test_a_change_that_cannot_be_stored_is_no_success(tmp_path: Path) -> None:
    """503 and when to come again, and nothing has happened; then it works."""

    async def scene(api: Api) -> None:
        with lock_held(tmp_path / "consent.db", 1):
            answer = await api.post("/v1/suppressions", OPT_OUT)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "consent.db" not in answer.text
        assert await api.rows() == []
        assert (await api.post("/v1/suppressions", OPT_OUT)).status_code == 200

    with capture_logs() as logged:
        play(tmp_path, scene)
    [event] = [each for each in logged if each["event"] == "api_store_unavailable"]
    assert event["log_level"] == "warning"
