"""What bounces say of a mailbox: hard for a dead one alone, and never for a refusal that has other reasons."""

import pytest

from consentmilter.errors import MessageError
from consentmilter.reports import statuses
from consentmilter.reports.delivery import MAX_BLOCKS, Bounce, bounce
from consentmilter.reports.statuses import Kind
from tests.reports.mails import mail, names, written

KINDS = {
    Kind.HARD: {
        "postfix-unknown-user",
        "gmail-no-such-user",
        "gmail-disabled",
        "exchange-moved",
        "null-mx",
        "generic-status-specific-text",
        "unicode-address",
        "status-part-in-base64",
        "both-targets-of-an-alias-dead",
    },
    Kind.SOFT: {
        "gmail-rate",
        "mailbox-full",
        "mailbox-full-with-an-address-code",
        "expired-in-the-queue",
        "host-not-found",
        "exchange-access-denied",
        "no-status",
        "transient-reply-permanent-status",
        "delayed",
        "delayed-with-a-permanent-code",
        "qmail-no-mailbox",
        "exim-letter",
    },
    Kind.POLICY: {
        "opted-out-by-us",
        "opted-out-by-us-behind-a-gateway",
        "opted-out-by-us-with-a-wrong-status",
        "address-unreadable-to-us",
        "spam-refused",
        "blocklisted-with-an-address-code",
        "dmarc-refused",
        "sender-refused",
        "too-big",
        "qmail-refused-by-policy",
    },
    Kind.NONE: {
        "delivered",
        "relayed",
        "expanded",
        "one-target-of-an-alias-alive",
        "two-actions-in-one-block",
        "unknown-action",
        "forwarded-report",
        "read-receipt",
        "letter-without-a-code",
        "vacation-from-a-postmaster",
        "person-who-quotes-one",
        "status-part-alone",
    },
}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, group in KINDS.items() for name in sorted(group)])
def test_a_bounce_is_of_its_kind(kind: Kind, name: str) -> None:
    """Each mail of the corpus."""
    assert bounce(mail(f"bounces/{name}")).kind is kind


def test_every_bounce_of_the_corpus_is_judged() -> None:
    """None lies there unread."""
    assert {f"bounces/{name}" for group in KINDS.values() for name in group} == set(names("bounces"))


@pytest.mark.parametrize("folder", ["complaints", "replies"])
def test_other_mail_is_no_bounce(folder: str) -> None:
    """Complaints and people's replies say nothing of a mailbox."""
    assert {bounce(mail(name)).kind for name in names(folder)} == {Kind.NONE}


def test_a_bounce_tells_its_code_and_action() -> None:
    """As the report gives them, for the log."""
    assert bounce(mail("bounces/postfix-unknown-user")) == Bounce(Kind.HARD, "5.1.1", "failed")
    assert bounce(mail("bounces/delayed")) == Bounce(Kind.SOFT, "4.4.7", "delayed")
    assert bounce(mail("bounces/qmail-no-mailbox")) == Bounce(Kind.SOFT, "5.1.1", None)


def test_no_policy_code_is_ever_hard() -> None:
    """Whatever the detail, whatever else stands beside it."""
    for detail in range(100):
        for beside in ("", "550 5.1.1 user unknown", "no such user"):
            assert statuses.judge([f"5.7.{detail}"], beside) is Kind.POLICY
            assert statuses.judge(["5.1.1"], f"550 5.7.{detail} {beside}") is Kind.POLICY


def test_only_four_codes_are_hard() -> None:
    """Of all that may be written."""
    codes = [f"{kind}.{subject}.{detail}" for kind in (2, 4, 5) for subject in range(8) for detail in range(40)]
    hard = {code for code in codes if statuses.judge([code], "") is Kind.HARD}
    assert hard == {"5.1.1", "5.1.6", "5.1.10", "5.2.1"}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("550 5.1.1 unknown", ["5.1.1"]),
        ("(#5.1.1)", ["5.1.1"]),
        ("550-5.7.26 a 550 5.7.26 b.", ["5.7.26", "5.7.26"]),
        ("see 5.1.1.", ["5.1.1"]),
        ("host 192.5.1.1 said", []),
        ("host 5.1.1.7 said", []),
        ("version 15.1.1", []),
        ("3.1.1 is no class", []),
    ],
)
def test_codes_are_told_from_numbers_that_look_like_them(text: str, codes: list[str]) -> None:
    """IP addresses and versions are none."""
    assert statuses.codes_in(text) == codes


def test_a_report_with_more_recipients_than_a_message_had_is_odd() -> None:
    """It is refused rather than judged by a part of it."""
    block = "\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1"
    head = (
        "Content-Type: multipart/report; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: x"
    )
    assert bounce(written(f"{head}{block * MAX_BLOCKS}\n--b--\n")).kind is Kind.HARD
    with pytest.raises(MessageError):
        bounce(written(f"{head}{block * (MAX_BLOCKS + 1)}\n--b--\n"))
