"""What becomes of exempt mail beyond the cap of its rule: its own reply and reason, for the whole of what was asked."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from consentmilter.model import Reason
from consentmilter.service.leases import Allowance
from tests.unit.dialogue import Mail, Mta, site

STREAMS: dict[str, Any] = {
    "acme.security": {"category": "security-patch", "title": "Security patches"},
    "acme.newsletter": {"title": "Weekly newsletter"},
}
CAP = {"max_per_day": 3}


def mta(
    left: int, *, mode: str = "enforce", stream: dict[str, Any] | None = None, **rule: Any
) -> tuple[Mta, list[int]]:
    """An MTA whose release-bot and header claim may send so much more today, and what was asked for it."""
    streams = {**STREAMS, "acme.security": STREAMS["acme.security"] | (stream or {})}
    rules = [
        {"login": "newsletter", "stream": "acme.newsletter"},
        {"login": "release-bot", "stream": "acme.security", **CAP, **rule},
        {
            "header": {"X-Stream": "acme.security"},
            "allow": {"login": "alice"},
            "stream": "acme.security",
            **CAP,
            **rule,
        },
    ]
    made = Mta(site(mode=mode, streams=streams, classify=rules))
    asked: list[int] = []
    made.desk = replace(made.desk, exempt_allowed=_cap(left, asked))
    return made, asked


def _cap(left: int, asked: list[int]) -> Callable[[int, int], Allowance]:
    def allowed(_rule: int, people: int) -> Allowance:
        fits = sum(asked) + people <= left
        asked.extend([people] if fits else [])
        return Allowance.GRANTED if fits else Allowance.OVER_LIMIT

    return allowed


def claimed(made: Mta, *recipients: str, **options: Any) -> Mail:
    """A message whose stream its header tells."""
    mail = made.mail(login="alice", **options)
    for recipient in recipients:
        mail.rcpt(recipient).expects()
    mail.header("X-Stream", "acme.security")
    return mail


def test_the_recipient_beyond_the_cap_waits_and_those_before_get_it() -> None:
    """At RCPT, where the stream is known by the envelope; the reply says why and of what."""
    made, _ = mta(2)
    mail = made.mail(login="release-bot")
    for person in ("<a@example.com>", "<b@example.com>"):
        mail.rcpt(person).expects()
    words = "<c@example.com>: the limit of mail a day", '"Security patches" (acme.security) is reached', "[ref1]"
    mail.rcpt("<c@example.com>").expects("450", *words)
    mail.end().expects()
    assert made.told()["<c@example.com>"] == ("defer", "over-limit")
    assert made.told()["<a@example.com>"] == ("accept", None)


def test_a_site_can_have_it_refused() -> None:
    """With 550, so that nobody comes again."""
    made, _ = mta(0, over_limit="reject")
    made.mail(login="release-bot").rcpt("<a@example.com>").expects("550", "the limit of mail a day")
    assert made.told() == {"<a@example.com>": ("reject", "over-limit")}


@pytest.mark.parametrize(("over_limit", "code"), [("defer", "450"), ("reject", "550")])
def test_a_message_known_by_its_header_goes_to_all_or_to_none(over_limit: str, code: str) -> None:
    """And nothing of the cap is used by one that does not go."""
    made, asked = mta(2, over_limit=over_limit)
    claimed(made, "<a@example.com>", "<b@example.com>", "<c@example.com>").end().expects(
        code, "<a@example.com>, <b@example.com>, <c@example.com>: the limit"
    )
    assert set(made.told().values()) == {(over_limit, "over-limit")}
    assert asked == []
    made.records.clear()
    claimed(made, "<a@example.com>", "<b@example.com>").end().expects()
    assert asked == [2]


def test_each_recipient_is_counted_once() -> None:
    """At RCPT or at the end, not at both; who does not get the mail is not counted."""
    made, asked = mta(10)
    made.opted_out("gone@example.com", reason=Reason.HARD_BOUNCE)
    mail = made.mail(login="release-bot")
    mail.rcpt("<a@example.com>").expects()
    mail.rcpt("<gone@example.com>").expects("550")
    mail.end().expects()
    claimed(made, "<b@example.com>", "<c@example.com>").end().expects()
    assert asked == [1, 2]


def test_the_cap_bounds_what_bypasses_an_opt_out_too() -> None:
    """That is what it is for."""
    made, _ = mta(1)
    made.opted_out("a@example.com")
    made.opted_out("b@example.com")
    mail = made.mail(login="release-bot")
    mail.rcpt("<a@example.com>").expects()
    mail.rcpt("<b@example.com>").expects("450")
    mail.end()
    assert [(record.reason, record.bypassed) for record in made.records] == [
        ("over-limit", False),
        ("unsubscribe", True),
    ]


def test_while_nothing_is_known_the_mail_waits_whatever_the_rule_says() -> None:
    """A limit that is not known to be reached is no ground for a refusal."""
    made, _ = mta(0, over_limit="reject")
    made.desk = replace(made.desk, exempt_allowed=lambda _rule, _people: Allowance.UNKNOWN)
    made.mail(login="release-bot").rcpt("<a@example.com>").expects("451", "cannot be verified")
    claimed(made, "<b@example.com>").end().expects("451")
    assert set(made.told().values()) == {("defer", "store")}


def test_observe_mode_counts_and_tells_and_lets_go() -> None:
    """The report then shows what a cap would have stopped."""
    made, asked = mta(1, mode="observe")
    for person in ("<a@example.com>", "<b@example.com>"):
        mail = made.mail(login="release-bot")
        mail.rcpt(person).expects()
        mail.end().expects()
    assert asked == [1]
    assert made.told() == {"<a@example.com>": ("accept", None), "<b@example.com>": ("would-defer", "over-limit")}


def test_mail_from_sendmail_is_counted_at_its_end() -> None:
    """Postfix takes a refusal of one of its recipients for a fault; so all wait, or all are refused."""
    made = Mta(site(streams=STREAMS, classify=[{"listener": "sendmail", "stream": "acme.security", **CAP}]))
    asked: list[int] = []
    made.desk = replace(made.desk, exempt_allowed=_cap(1, asked))
    mail = made.sendmail()
    mail.rcpt("a@example.com").expects()
    mail.rcpt("b@example.com").expects()
    mail.end().expects("450")
    assert asked == []
    assert set(made.told().values()) == {("defer", "over-limit")}


def test_a_recipient_that_has_to_come_alone_is_not_counted_yet() -> None:
    """It is once it comes in a message of its own."""
    made, asked = mta(10, stream={"multi_recipient": "split", "unsubscribe_header": True})
    mail = made.mail(login="release-bot")
    mail.rcpt("<a@example.com>").expects()
    mail.rcpt("<b@example.com>").expects("452")
    mail.end().expects()
    assert asked == [1]


def test_a_stream_that_tags_or_holds_does_not_let_more_through() -> None:
    """What its suppressions lead to is another matter."""
    for action in ("tag", "hold", "remove"):
        made, _ = mta(0, stream={"action": action})
        claimed(made, "<a@example.com>").end().expects("450")


def test_mail_of_other_streams_asks_for_no_allowance() -> None:
    """Nor does mail without a rule."""
    made, _ = mta(0)
    for login in ("newsletter", "somebody"):
        mail = made.mail(login=login)
        mail.rcpt(f"<{login}@example.com>").expects()
        mail.end().expects()
    assert {verdict for verdict, _ in made.told().values()} == {"accept"}
