"""People's rights through the API: what is held of somebody is handed out, moved, erased, frozen; and they object."""

import hashlib
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consentmilter.ledger import Action
from consentmilter.model import ConsentState, Reason
from consentmilter.service import consents, holds
from consentmilter.service.person import person_named
from consentmilter.service.places import journal_url
from consentmilter.service.suppressions import Actor
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import JOURNAL
from tests.store.support import run
from tests.web.api_site import READER, Api, serving

Scene = Callable[[Api], Coroutine[Any, Any, None]]

WHO = {"email": READER}
TICKET = {"evidence": {"ticket": "4711"}}
NEW = "reader@example.org"

CALLS: dict[str, dict[str, Any]] = {
    "export": WHO,
    "rectify": WHO | TICKET | {"new_email": NEW},
    "erase": WHO,
    "restrict": WHO | TICKET,
    "object": WHO | {"scope": "acme"},
}


def play(directory: Path, scene: Scene, **changes: Any) -> None:
    """Play a scene with the API of a site that knows the reader."""

    async def played() -> None:
        async with serving(directory, changes) as api:
            migrate(journal_url(api.context.config), JOURNAL)
            await api.post("/v1/suppressions", WHO | {"scope": "acme.newsletter", "evidence": {"form": "footer"}})
            await api.post("/v1/consents", WHO | {"stream": "globex.news"} | TICKET)
            await scene(api)

    run(played())


async def call(api: Api, right: str, **changes: Any) -> Any:
    """The answer to a call for a right that must succeed."""
    answer = await api.post(f"/v1/subjects/{right}", CALLS[right] | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("right", CALLS)
def test_a_dry_run_changes_nothing_and_says_what_would_be_done(tmp_path: Path, right: str) -> None:
    """The same as is done then."""

    async def scene(api: Api) -> None:
        before = [await api.rows(), await api.entries()]
        told = await call(api, right, dry_run=True)
        assert [await api.rows(), await api.entries()] == before
        done = await call(api, right)
        assert [await api.rows(), await api.entries()] != before
        if right == "export":
            assert (told["records"], told["dossier"]) == (done["records"], None)
        else:
            assert told == done | {"dry_run": True}
            assert done["effects"]

    play(tmp_path, scene)


def test_everything_that_is_held_is_handed_out_and_that_is_noted(tmp_path: Path) -> None:
    """With the digest of what was handed out."""

    async def scene(api: Api) -> None:
        told = await call(api, "export", **TICKET)
        dossier = told["dossier"]
        assert (told["records"], dossier["subject"]) == (4, READER)
        assert [row["reason"] for row in dossier["suppressions"]] == ["unsubscribe"]
        assert [row["stream"] for row in dossier["consents"]] == ["globex.news"]
        assert [entry["action"] for entry in dossier["ledger"]] == ["add", "grant"]
        noted = (await api.entries())[-1]
        assert (noted.action, noted.actor, noted.count) == (Action.EXPORT, "all", 4)
        written = json.dumps(dossier, ensure_ascii=False, separators=(",", ":")).encode()
        assert noted.digest == hashlib.blake2b(written, digest_size=32).digest()

    play(tmp_path, scene)


def test_who_is_not_known_is_held_of_nothing(tmp_path: Path) -> None:
    """An answer like any other, with nothing in it."""

    async def scene(api: Api) -> None:
        told = await call(api, "export", email="nobody@example.net")
        assert (told["records"], told["dossier"]["suppressions"]) == (0, [])
        assert (await call(api, "erase", email="nobody@example.net"))["effects"] == []

    play(tmp_path, scene)


def test_an_erased_person_stays_opted_out(tmp_path: Path) -> None:
    """The key is all that is left."""

    async def scene(api: Api) -> None:
        await call(api, "erase", **TICKET)
        [row] = await api.rows()
        assert (row.reason, row.address or None) == (Reason.UNSUBSCRIBE, None)
        [consent] = await consents.held(api.context.store, [api.key(READER)])
        assert consent.state is ConsentState.WITHDRAWN
        check = (await api.post("/v1/check", WHO | {"stream": "acme.newsletter"})).json()
        assert check["allowed"] is False
        assert "footer" not in str(await api.entries())

    play(tmp_path, scene)


def test_a_legal_hold_stops_an_erasure(tmp_path: Path) -> None:
    """409, and nothing is erased."""

    async def scene(api: Api) -> None:
        context = api.context
        person = person_named(READER, context.ring, context.site.foldings, store_addresses=True)
        await holds.hold(context.store, person, Actor("alice", "cli"), cause="12 O 34/26", now=context.now)
        for dry_run in (True, False):
            answer = await api.post("/v1/subjects/erase", WHO | {"dry_run": dry_run})
            assert answer.status_code == 409
            assert "12 O 34/26" in answer.json()["detail"]
        assert (await api.rows())[0].address == READER

    play(tmp_path, scene)


def test_what_holds_for_the_old_address_holds_for_the_new_one(tmp_path: Path) -> None:
    """And still for the old one; to move somebody onto themselves is refused."""

    async def scene(api: Api) -> None:
        await call(api, "rectify")
        for who in (READER, NEW):
            assert [row.scope for row in await api.rows(who)] == ["acme.newsletter"]
        answer = await api.post("/v1/subjects/rectify", CALLS["rectify"] | {"new_email": "READER@example.net"})
        assert [fault["field"] for fault in answer.json()["faults"]] == ["new_email"]

    play(tmp_path, scene)


def test_a_restricted_person_gets_no_mail_at_all(tmp_path: Path) -> None:
    """Of exempt categories neither."""

    async def scene(api: Api) -> None:
        await call(api, "restrict")
        check = (await api.post("/v1/check", WHO | {"stream": "acme.security"})).json()
        assert (check["allowed"], check["reason"]) == (False, "legal")

    play(tmp_path, scene)


def test_an_objection_is_of_an_organisation_and_no_consent_outdoes_it(tmp_path: Path) -> None:
    """The token has to be good for it."""

    async def scene(api: Api) -> None:
        answer = await api.post("/v1/subjects/object", CALLS["object"], "rights")
        assert answer.status_code == 200
        await api.post("/v1/consents", WHO | {"stream": "acme.newsletter", "confirmed": True} | TICKET)
        check = (await api.post("/v1/check", WHO | {"stream": "acme.newsletter"})).json()
        assert (check["allowed"], check["reason"]) == (False, "objection")
        for scope, name, status in [("*", "rights", 403), ("globex", "rights", 403), ("acme.newsletter", "all", 422)]:
            answer = await api.post("/v1/subjects/object", WHO | {"scope": scope}, name)
            assert answer.status_code == status

    play(tmp_path, scene)


def test_what_reaches_beyond_organisations_takes_a_token_for_everything(tmp_path: Path) -> None:
    """A person is the same in all of them."""

    async def scene(api: Api) -> None:
        before = [await api.rows(), await api.entries()]
        for right in CALLS.keys() - {"object"}:
            for name in ("rights", "acme", "both", "consent"):
                assert (await api.post(f"/v1/subjects/{right}", CALLS[right], name)).status_code == 403
        assert [await api.rows(), await api.entries()] == before

    play(tmp_path, scene)


def test_a_right_of_nobody_is_refused(tmp_path: Path) -> None:
    """A domain has none; a typo in dry_run erases nobody."""
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("export", {"email": "example.net"}, "email"),
        ("erase", {"email": "nobody@"}, "email"),
        ("rectify", {"new_email": "example.net"}, "new_email"),
        ("rectify", {"evidence": {}}, "evidence"),
        ("restrict", {"evidence": {"ticket": " "}}, "evidence"),
        ("erase", {"dryrun": True}, "dryrun"),
        ("object", {"scope": "nobody"}, "scope"),
    ]

    async def scene(api: Api) -> None:
        before = [await api.rows(), await api.entries()]
        for right, wrong, field in cases:
            answer = await api.post(f"/v1/subjects/{right}", CALLS[right] | wrong)
            assert answer.status_code == 422
            assert [fault["field"] for fault in answer.json()["faults"]] == [field]
        assert [await api.rows(), await api.entries()] == before

    play(tmp_path, scene)


@pytest.mark.parametrize("addresses", [False, True])
def test_each_right_is_one_event(tmp_path: Path, addresses: bool) -> None:
    """A dry run is none; the person is named only where the site asks for it."""

    async def scene(api: Api) -> None:
        for right in ("export", "object"):
            await call(api, right, dry_run=True)
            await call(api, right)

    with capture_logs() as logged:
        play(tmp_path, scene, log={"addresses": addresses})
    events = [each for each in logged if each["event"] == "api_right"]
    assert [(each["right"], each["token"], each.get("address")) for each in events] == [
        (right, "all", READER if addresses else None) for right in ("export", "object")
    ]
