"""Consent through the API: given, asked for, taken back, and asked about."""

import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from consentmilter.ledger import Action
from consentmilter.model import Basis, ConsentState, Reason
from consentmilter.service import consents
from consentmilter.service.opting_in import Send
from consentmilter.service.submission import SubmissionError
from tests.store.support import run
from tests.web.api_site import NOON, READER, SITE, Api, serving
from tests.web.opt_in_site import letter

Scene = Callable[[Api], Coroutine[Any, Any, None]]

OPT_IN: dict[str, Any] = {"email": READER, "stream": "acme.newsletter"}
GRANT = OPT_IN | {"evidence": {"form": "sign-up", "ip": "203.0.113.9", "text_version": "7", "ticket": "4711"}}
TOLD = {
    "subject": READER, "stream": "acme.newsletter", "required": False, "state": None, "scope": None, "basis": None,
    "at": None, "confirmed": False,
}  # fmt: skip


def play(directory: Path, scene: Scene, send: Send | None = None, **changes: Any) -> None:
    """Play a scene with the API of a site."""

    async def played() -> None:
        async with serving(directory, changes, send) as api:
            await scene(api)

    run(played())


async def told(api: Api, **changes: Any) -> Any:
    """What is recorded, as the API tells it."""
    return (await api.post("/v1/consents/check", OPT_IN | changes, "check")).json()


def test_a_consent_is_recorded_with_its_evidence(tmp_path: Path) -> None:
    """What the ledger has a place for stands there, the rest beside it; the token's name says who recorded it."""

    async def scene(api: Api) -> None:
        assert await told(api) == TOLD
        said = GRANT | {"email": " Reader@Example.NET", "at": "2026-02-28T23:30:00-01:00", "basis": "contract"}
        answer = await api.post("/v1/consents", said, "consent")
        assert (answer.status_code, answer.json()) == (
            200,
            {"subject": READER, "stream": "acme.newsletter", "state": "granted"},
        )
        assert await told(api) == TOLD | {
            "state": "granted", "scope": "acme.newsletter", "basis": "contract", "at": "2026-03-01T00:30:00Z",
        }  # fmt: skip
        [row] = await consents.held(api.context.store, [api.key(READER)])
        assert (row.basis, row.confirmed, row.origin, row.address) == (Basis.CONTRACT, False, "api:consent", READER)
        [entry] = await api.entries()
        assert (entry.action, entry.source, entry.actor) == (Action.GRANT, "api", "consent")
        assert entry.evidence is not None
        data = entry.evidence.data
        assert (data["form"], data["ip"], data["text_version"]) == ("sign-up", "203.0.113.9", "7")
        assert json.loads(data["evidence"]) == {"ticket": "4711"}

    play(tmp_path, scene)


@pytest.mark.parametrize("evidence", [None, {}, {"form": "  "}])
def test_no_consent_without_evidence(tmp_path: Path, evidence: Any) -> None:
    """Who mails has to be able to show it (GDPR Art. 7(1))."""

    async def scene(api: Api) -> None:
        said = OPT_IN | ({} if evidence is None else {"evidence": evidence})
        assert (await api.post("/v1/consents", said)).status_code == 422
        assert await told(api) == TOLD

    play(tmp_path, scene)


def test_a_consent_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """One from the future could outdo every opt-out to come; a domain or an organisation consents to nothing."""
    cases: list[tuple[dict[str, Any], str]] = [
        ({"at": "2026-03-01T12:00:01Z"}, "at"),
        ({"stream": "acme"}, "stream"),
        ({"stream": "acme.nothing"}, "stream"),
        ({"email": "example.net"}, "email"),
        ({"email": "a b@example.net"}, "email"),
        ({"basis": "optin"}, "basis"),
        ({"confirmed": "yes"}, "confirmed"),
        ({"scope": "acme"}, "scope"),
    ]

    async def scene(api: Api) -> None:
        for wrong, field in cases:
            answer = await api.post("/v1/consents", GRANT | wrong)
            assert answer.status_code == 422
            assert [fault["field"] for fault in answer.json()["faults"]] == [field]
        assert await told(api) == TOLD

    play(tmp_path, scene)


def test_a_time_that_no_calendar_of_ours_has_is_the_nearest_that_it_has(tmp_path: Path) -> None:
    """An old consent is the weaker one."""

    async def scene(api: Api) -> None:
        assert (await api.post("/v1/consents", GRANT | {"at": "0001-01-01T00:00:00+14:00"})).status_code == 200
        assert (await told(api))["at"] == "1970-01-01T00:00:00Z"

    play(tmp_path, scene)


def test_a_consent_that_is_older_than_a_withdrawal_does_not_count(tmp_path: Path) -> None:
    """The answer says what stands."""

    async def scene(api: Api) -> None:
        await api.post("/v1/consents/withdrawals", {"email": READER, "scope": "acme"})
        answer = await api.post("/v1/consents", GRANT | {"at": "2026-02-01T00:00:00Z", "confirmed": True})
        assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")
        assert await told(api) == TOLD | {
            "state": "withdrawn", "scope": "acme", "basis": "consent", "at": "2026-03-01T12:00:00Z",
        }  # fmt: skip

    play(tmp_path, scene)


def test_mail_that_requires_consent_is_allowed_with_it_and_not_after_its_withdrawal(tmp_path: Path) -> None:
    """As `check` says it."""
    streams = SITE["streams"] | {"acme.newsletter": {"requires_consent": True}}

    async def reason(api: Api) -> Any:
        return (await api.post("/v1/check", OPT_IN)).json()["reason"]

    async def scene(api: Api) -> None:
        assert (await told(api))["required"] is True
        assert await reason(api) == "no-consent"
        await api.post("/v1/consents", GRANT)
        assert await reason(api) is None
        await api.post("/v1/consents/withdrawals", {"email": READER, "scope": "acme.newsletter"})
        assert await reason(api) == "withdrawn"

    play(tmp_path, scene, streams=streams)


def test_a_withdrawal_is_answered_alike_whether_or_not_there_was_a_consent(tmp_path: Path) -> None:
    """It needs no evidence, and is recorded in any case."""

    async def scene(api: Api) -> None:
        said = {"email": READER, "scope": "acme.newsletter"}
        before = await api.post("/v1/consents/withdrawals", said, "consent")
        again = await api.post("/v1/consents/withdrawals", said | {"evidence": {"form": "account"}}, "consent")
        assert before.json() == again.json() == {"subject": READER, "scope": "acme.newsletter"}
        assert [entry.action for entry in await api.entries()] == [Action.WITHDRAW] * 2

    play(tmp_path, scene)


def test_a_person_is_asked_once_whatever_the_answer_says(tmp_path: Path) -> None:
    """The answer is the same for somebody asked already, and for somebody who may not be asked."""
    sent: list[bytes] = []

    async def send(message: bytes, _recipient: str) -> None:
        sent.append(message)

    async def scene(api: Api) -> None:
        said = OPT_IN | {"language": "de", "evidence": {"form": "footer"}}
        answers = [await api.post("/v1/consents/requests", said, "consent") for _ in range(3)]
        blocked = {"email": "other@example.net", "scope": "*", "reason": "hard_bounce"}
        await api.post("/v1/suppressions", blocked)
        answers.append(await api.post("/v1/consents/requests", said | {"email": "other@example.net"}, "consent"))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text.replace("other@", "reader@") for answer in answers}) == 1
        assert answers[0].json() == {"subject": READER, "stream": "acme.newsletter"}
        [mail] = sent
        assert letter(mail)["Content-Language"] == "de"
        assert (await told(api))["state"] == "requested"
        outcomes = [each["outcome"] for each in logged if each["event"] == "api_consent"]
        assert outcomes == ["sent", *["asked within a day already"] * 2, "not to be asked"]

    with capture_logs() as logged:
        play(tmp_path, scene, send)
    assert READER not in str(logged)


def test_a_mail_that_cannot_be_sent_now_is_no_success(tmp_path: Path) -> None:
    """503 and when to come again; nothing is recorded."""

    async def send(_message: bytes, _recipient: str) -> None:
        raise SubmissionError("127.0.0.1:25: [Errno 111] refused")

    async def scene(api: Api) -> None:
        answer = await api.post("/v1/consents/requests", OPT_IN)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "127.0.0.1" not in answer.text
        assert await told(api) == TOLD

    with capture_logs() as logged:
        play(tmp_path, scene, send)
    [event] = [each for each in logged if each["event"] == "api_mail_not_sent"]
    assert event["log_level"] == "warning"


def test_a_mail_server_that_refuses_the_address_is_the_operator_s_to_know(tmp_path: Path) -> None:
    """A form that was told could be used to try addresses."""

    async def send(_message: bytes, _recipient: str) -> None:
        raise SubmissionError("refused with 550 5.7.1", permanent=True)

    async def scene(api: Api) -> None:
        assert (await api.post("/v1/consents/requests", OPT_IN)).status_code == 200
        assert await told(api) == TOLD

    with capture_logs() as logged:
        play(tmp_path, scene, send)
    assert [each["outcome"] for each in logged if each["event"] == "api_consent"] == ["refused by the mail server"]


def test_a_site_that_cannot_ask_says_what_is_missing(tmp_path: Path) -> None:
    """422, with the keys to set."""

    async def scene(api: Api) -> None:
        answer = await api.post("/v1/consents/requests", OPT_IN)
        assert answer.status_code == 422
        assert "intake.sender" in answer.json()["detail"]

    play(tmp_path, scene, intake={})


def test_consent_and_opt_outs_are_told_apart(tmp_path: Path) -> None:
    """What is recorded of consent says nothing of suppressions, and the feed of changes nothing of consents."""

    async def scene(api: Api) -> None:
        await api.post("/v1/suppressions", {"email": READER, "scope": "acme", "reason": "complaint"})
        await api.post("/v1/consents", GRANT | {"confirmed": True})
        assert (await told(api))["confirmed"] is True
        checked = (await api.post("/v1/check", OPT_IN)).json()
        assert (checked["allowed"], checked["reason"], checked["opted_in"]) == (False, Reason.COMPLAINT, None)
        feed = (await api.get("/v1/changes")).json()["items"]
        assert [each["action"] for each in feed] == ["add"]

    play(tmp_path, scene)


def test_a_consent_of_an_address_before_a_folding_is_found(tmp_path: Path) -> None:
    """Both forms of the address are the person."""
    tagged = {"email": "reader+x@example.net"}

    async def before(api: Api) -> None:
        await api.post("/v1/consents", GRANT | tagged)

    async def after(api: Api) -> None:
        assert (await told(api, **tagged))["state"] == ConsentState.GRANTED

    play(tmp_path, before)
    play(tmp_path, after, addresses={"example.net": {"sub_address": "+"}})


def test_without_stored_addresses_only_the_key_is_kept(tmp_path: Path) -> None:
    """As for every other way in."""

    async def scene(api: Api) -> None:
        await api.post("/v1/consents", GRANT)
        [row] = await consents.held(api.context.store, [api.key(READER)])
        assert (row.address, row.at) == (None, NOON)

    play(tmp_path, scene, privacy={"store_addresses": False})
