"""What passes as it came: inbound mail, personal mail, and everything while the site only observes."""

from lab.messages import message
from lab.system import System
from tests.postfix.conftest import NEWSLETTER, Start

OUTSIDE = {"X-Consent-Stream": "acme.newsletter", "List-Unsubscribe": "<https://other.example/u>", "Precedence": "bulk"}

# What a client from outside is to Postfix: loopback counts as outbound, so the tests come from another address.
INBOUND = {"smtpd_authorized_xclient_hosts": "127.0.0.1", "relay_domains": "example.org"}


def _content_after_received(octets: bytes) -> bytes:
    """The message without the Received fields that Postfix puts on top."""
    lines = octets.split(b"\r\n")
    start = next(n for n, line in enumerate(lines) if line.startswith(b"From:"))
    return b"\r\n".join(lines[start:])


def _assert_passes_untouched(system: System) -> None:
    system.suppress("bob@example.org")
    sent = message(headers={**OUTSIDE, "X-Consent-Status": "kept"})
    with system.client() as smtp:
        smtp.command("XCLIENT ADDR=203.0.113.7 NAME=mx.other.example").expects(220)
        smtp.ehlo("mx.other.example")
        smtp.send(sent, "bob@example.org", "eve@example.org", sender="news@other.example").expects(250)
    system.postfix.wait_empty()
    delivered = system.sink.messages
    assert sorted(rcpt for m in delivered for rcpt in m.rcpt_tos) == ["bob@example.org", "eve@example.org"]
    assert {_content_after_received(m.content) for m in delivered} == {sent}
    assert system.events("decision") == []


def test_an_inbound_newsletter_passes_untouched_under_own_rules(start: Start) -> None:
    """Port 25 has the same milter; mail from outside is none of our business."""
    _assert_passes_untouched(start(main=INBOUND))


def test_an_inbound_newsletter_passes_untouched_under_the_default_rules(start: Start) -> None:
    """Nor is it where nothing is configured but the mode."""
    _assert_passes_untouched(start(config={"streams": {}, "classify": []}, main=INBOUND))


def test_personal_mail_passes_untouched_and_unasked(system: System) -> None:
    """Outbound mail that belongs to no stream costs no look-up and gets no header."""
    system.suppress("bob@example.org")
    sent = message()
    with system.client(login="alice") as smtp:
        smtp.send(sent, "bob@example.org").expects(250)
    assert _content_after_received(system.sink.wait()[0].content) == sent
    assert [d["reason"] for d in system.decisions()] == ["no-stream"]


def test_observe_mode_changes_nothing_and_journals_what_would_have_happened(start: Start) -> None:
    """Nobody enforces on day one: the mail goes as it is, the log and the journal tell."""
    system = start(config={"mode": "observe"})
    system.suppress("bob@example.org")
    sent = message(headers={**NEWSLETTER, "X-Consent-Status": "kept"})
    with system.client(login="newsletter") as smtp:
        smtp.send(sent, "bob@example.org", "ann@example.org").expects(250)
    with system.client() as smtp:
        smtp.send(sent, "bob@example.org", "ann@example.org").expects(250)
    system.postfix.wait_empty()
    assert {_content_after_received(m.content) for m in system.sink.messages} == {sent}
    verdicts = [d["verdict"] for d in system.decisions(4)]
    assert verdicts == ["would-reject", "accept", "would-remove", "accept"]
    assert sorted((row.verdict, row.reason) for row in system.journal(2)) == [
        ("would-reject", "unsubscribe"),
        ("would-remove", "unsubscribe"),
    ]


def test_one_stream_can_be_observed_while_the_site_enforces(start: Start) -> None:
    """The mode of a stream stands over that of the site."""
    system = start(
        config={
            "streams": {"acme.newsletter": {"mode": "observe"}, "acme.security": {}},
            "classify": [
                {"login": "newsletter", "stream": "acme.newsletter"},
                {"login": "release-bot", "stream": "acme.security"},
            ],
        }
    )
    system.suppress("bob@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "bob@example.org").expects(250)
    with system.client(login="release-bot") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550)


def test_a_stream_that_asks_for_it_gets_its_link_in_observe_mode(start: Start) -> None:
    """The one change that observing allows, and only where the stream itself says so."""
    system = start(
        config={
            "mode": "observe",
            "streams": {
                "acme.newsletter": {"unsubscribe_header": True},
                "acme.security": {"category": "security-patch"},
            },
        }
    )
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
    assert "https://u.example.com/u/" in (system.sink.wait()[0].header("List-Unsubscribe") or "")
