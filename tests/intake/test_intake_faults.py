"""The store is away, or something of ours breaks: 451 without detail, and nothing half-done."""

from collections.abc import Callable
from typing import Any

import pytest

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.writer import Store
from consentmilter.tokens import Purpose
from lab.sink import Sink
from tests.intake.lmtp import Lmtp
from tests.intake.site import NOON, Site, bounced, complained, letter

Break = Callable[[str, BaseException], None]


def every_kind(site: Site) -> dict[str, tuple[bytes, str]]:
    """A mail for each thing that the intake does with the store."""
    bounce = f"bounce+{site.token(purpose=Purpose.BOUNCE)}@example.com"
    token = site.token()
    copy = {
        "List-Unsubscribe": f"<https://u.example.com/u/{token}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    return {
        "token": (letter(), f"unsub+{token}@example.com"),
        "sender": (letter(), "unsub@example.com"),
        "question": (letter(proven=False), "unsub@example.com"),
        "review": (letter(subject="Hej", body="Vad är detta?\r\n"), "unsub@example.com"),
        "bounce": (bounced("5.1.1"), bounce),
        "soft-bounce": (bounced("4.2.2"), bounce),
        "complaint": (complained(f"<https://u.example.com/u/{token}>"), "privacy@example.com"),
        "copy": (letter(headers=copy), "dkim-check@example.com"),
    }


KINDS = ["token", "sender", "question", "review", "bounce", "soft-bounce", "complaint", "copy"]

TABLES = ("suppression", "ledger", "review", "confirmation", "soft_bounce", "dkim_check")


def changes(site: Site) -> dict[str, int]:
    return {table: site.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Let a method of the store fail from now on."""

    def break_method(name: str, error: BaseException) -> None:
        async def fails(*_arguments: Any) -> None:
            raise error

        monkeypatch.setattr(Store, name, fails)

    return break_method


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "error",
    [StoreError("the disk is full: /secret"), StoreBusyError("busy"), ZeroDivisionError("a secret"), OSError("secret")],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_be_stored_is_never_answered_with_success(
    site: Site, breaks: Break, kind: str, error: Exception
) -> None:
    """Whatever the store raises: temporary, the same words for all, and no change."""
    content, recipient = every_kind(site)[kind]
    before = changes(site)
    breaks("write", error)
    with Lmtp(site.socket) as lmtp:
        reply = lmtp.send(content, recipient)[0].expects(451, "4.3.0 temporary failure, please try again later")
        assert "secret" not in reply.text
        lmtp.mail().expects(250)
    assert changes(site) == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_mail_is_taken_once_the_store_is_back(site: Site, kind: str) -> None:
    """The tests above can fail: nothing but the broken store made the difference."""
    content, recipient = every_kind(site)[kind]
    before = changes(site)
    with Lmtp(site.socket) as lmtp:
        lmtp.send(content, recipient)[0].expects(250)
    assert changes(site) != before


def test_a_store_that_cannot_be_read_defers_what_has_to_be_looked_up(site: Site, breaks: Break, sink: Sink) -> None:
    """Whether a person was asked before: then nobody is asked."""
    breaks("read", StoreError("away"))
    with Lmtp(site.socket) as lmtp:
        lmtp.send(letter(proven=False), "unsub@example.com")[0].expects(451)
    assert sink.messages == []


def test_once_the_store_is_away_the_other_recipients_do_not_wait_for_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try may take ten seconds, and Postfix would not wait for all of them."""
    tries = []

    async def fails(*_arguments: Any) -> None:
        tries.append(1)
        raise StoreBusyError("busy")

    monkeypatch.setattr(Store, "write", fails)
    with Lmtp(site.socket) as lmtp:
        people = [f"unsub+{site.token(f'p{number}@example.org')}@example.com" for number in range(20)]
        assert {reply.code for reply in lmtp.send(letter(), *people)} == {451}
        assert lmtp.nothing_more()
    assert len(tries) == 1


def test_a_fault_with_one_recipient_is_not_the_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ann's cannot be stored, for a reason that nobody foresaw."""
    write, tries = Store.write, []

    async def fails_once(self: Store, job: Any) -> Any:
        tries.append(1)
        if len(tries) == 2:
            raise RuntimeError("unforeseen")
        return await write(self, job)

    monkeypatch.setattr(Store, "write", fails_once)
    addresses = [f"unsub+{site.token(stream=name)}@example.com" for name in site.config.streams]
    with Lmtp(site.socket) as lmtp:
        assert [reply.code for reply in lmtp.send(letter(), *addresses)] == [250, 451, 451]
    assert [scope for scope, _, _ in site.held()] == ["acme.newsletter"]


def test_a_fault_before_the_message_is_answered_without_detail(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiosmtpd would answer 500 with the exception's text."""
    token = f"unsub+{site.token()}@example.com"

    def fails(*_arguments: Any) -> None:
        raise LookupError("secret")

    with Lmtp(site.socket) as lmtp:
        lmtp.mail().expects(250)
        monkeypatch.setattr("consentmilter.intake.address.Doors.of", fails)
        assert "secret" not in lmtp.rcpt(token).expects(451, "4.3.0").text
        monkeypatch.undo()
        lmtp.rcpt(token).expects(250)
        lmtp.rcpt("privacy@example.com").expects(250)
        monkeypatch.setattr("consentmilter.intake.handler.read", fails)
        assert [reply.code for reply in lmtp.data(letter())] == [451, 451]
        monkeypatch.undo()
        assert [reply.code for reply in lmtp.send(letter(), token, "privacy@example.com")] == [250, 250]
        assert lmtp.nothing_more()


def test_a_change_that_was_begun_is_made_though_the_client_leaves(site: Site) -> None:
    """Its mail server comes again, and the repeat changes nothing."""
    with Lmtp(site.socket) as lmtp:
        lmtp.mail().expects(250)
        lmtp.rcpt(f"unsub+{site.token()}@example.com").expects(250)
        lmtp.command("DATA").expects(354)
        lmtp.write(letter() + b".\r\n")
    with Lmtp(site.socket) as lmtp:
        lmtp.send(letter(), f"unsub+{site.token()}@example.com")[0].expects(250)
    assert site.held() == [("acme.newsletter", "unsubscribe", "mail")]


def test_no_address_and_no_token_gets_into_the_log(site: Site, logged: Callable[[], str]) -> None:
    """People appear by their keys; what they wrote does not appear at all."""
    with Lmtp(site.socket) as lmtp:
        for content, recipient in every_kind(site).values():
            lmtp.send(content, recipient)
        lmtp.rcpt("nobody@example.com")
        lmtp.command("FROB ann@example.org")
    told = logged()
    assert site.key("ann@example.org").hex() in told
    assert not [each for each in ("ann@", "example.org", "nobody@", "Vad", site.token()) if each in told]
    assert NOON.isoformat() not in told


def test_addresses_are_logged_where_the_site_wants_it(
    start: Callable[..., Site], sink: Sink, logged: Callable[[], str]
) -> None:
    """`log.addresses`."""
    site = start(log={"addresses": True}, intake={"submit": f"127.0.0.1:{sink.port}"})
    with Lmtp(site.socket) as lmtp:
        lmtp.send(letter(proven=False), "unsub@example.com")[0].expects(250)
        lmtp.send(letter(), "unsub@example.com")[0].expects(250)
    assert logged().count('"address": "ann@example.org"') == 2
