"""The private Postfix: it does what a Postfix does, reaches nothing outside, and leaves nothing behind."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.client import Client, message
from lab.errors import LabError
from lab.postfix import Postfix, Service, cannot_run
from lab.process import session_members, wait_for
from lab.sink import Sink

pytestmark = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))

USERS = {"newsletter": "secret"}
NEWS, BOB = "news@test.example", "bob@example.org"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture
def postfix(directory: Path, sink: Sink) -> Iterator[Postfix]:
    with Postfix(directory, sink_port=sink.port) as postfix:
        yield postfix


def test_mail_goes_through_postfix_into_the_sink(postfix: Postfix, sink: Sink) -> None:
    """Envelope and content arrive as they were sent, dots at line starts included."""
    with Client(postfix.port()) as smtp:
        smtp.send(message(subject="Hi", body="one\r\n.two\r\n..\r\n"), BOB, "eve@example.org").expects(250, "queued as")
    (delivered,) = sink.wait(1)
    assert delivered.mail_from == NEWS
    assert delivered.rcpt_tos == (BOB, "eve@example.org")
    assert delivered.header("subject") == "Hi"
    assert delivered.body == b"one\r\n.two\r\n..\r\n"
    assert sink.to(BOB) == [delivered]
    postfix.wait_empty()


def test_utf8_addresses_travel(postfix: Postfix, sink: Sink) -> None:
    """SMTPUTF8 (RFC 6531) from end to end."""
    with Client(postfix.port()) as smtp:
        smtp.mail("jürgen@test.example", "SMTPUTF8", "BODY=8BITMIME").expects(250)
        smtp.rcpt("zoë@example.org").expects(250)
        smtp.data(message(subject="Grüße")).expects(250)
    (delivered,) = sink.wait(1)
    assert (delivered.mail_from, delivered.rcpt_tos) == ("jürgen@test.example", ("zoë@example.org",))
    assert "SMTPUTF8" in delivered.mail_options
    assert delivered.header("Subject") == "Grüße"


def test_octets_that_are_no_utf8_can_be_sent_as_an_address(postfix: Postfix) -> None:
    """Postfix refuses them itself, as such a command is no UTF-8."""
    with Client(postfix.port()) as smtp:
        smtp.mail(b"\xff\xfe@test.example").expects(500, "UTF-8")
        smtp.rset().expects(250)
        smtp.mail(NEWS).expects(250)


def test_one_session_carries_several_messages(postfix: Postfix, sink: Sink) -> None:
    """Also after a reset."""
    with Client(postfix.port()) as smtp:
        smtp.mail(NEWS).expects(250)
        smtp.rset().expects(250)
        for subject in ("first", "second"):
            smtp.send(message(subject=subject), BOB).expects(250)
    assert {delivered.header("Subject") for delivered in sink.wait(2)} == {"first", "second"}
    sink.clear()
    assert sink.messages == []


def test_sendmail_hands_mail_in(postfix: Postfix, sink: Sink) -> None:
    """The way of local programs, into this instance and no other."""
    postfix.sendmail(message(subject="from cron"), BOB, sender=NEWS)
    (delivered,) = sink.wait(1)
    assert (delivered.mail_from, delivered.rcpt_tos) == (NEWS, (BOB,))
    assert "by test.example (Postfix, from userid" in delivered.headers("Received")[0]
    postfix.wait_empty()
    assert postfix.maildrop_count() == 0


def test_a_login_may_relay_and_nobody_else(directory: Path, sink: Sink) -> None:
    """PLAIN without TLS, on a listener of its own."""
    services = [
        Service("smtp"),
        Service("submission", options={"smtpd_relay_restrictions": "permit_sasl_authenticated, reject"}),
    ]
    with Postfix(directory, services=services, users=USERS, sink_port=sink.port) as postfix:
        port = postfix.port("submission")
        with Client(port) as smtp:
            smtp.login("newsletter", "guess").expects(535)
            smtp.login("nobody", "secret").expects(535)
            smtp.command("AUTH PLAIN !").expects(535)
            smtp.mail(NEWS).expects(250)
            smtp.rcpt(BOB).expects(554, "Access denied")
        with Client(port, login=("newsletter", "secret")) as smtp:
            smtp.send(message(), BOB).expects(250)
        with Client(port) as smtp:
            smtp.command("AUTH PLAIN").expects(334)  # no initial response: the server asks for it
            smtp.command("AG5ld3NsZXR0ZXIAc2VjcmV0").expects(235)
        sink.wait(1)
        postfix.wait_log(r"postfix/submission/smtpd.* sasl_method=PLAIN, sasl_username=newsletter")


def test_the_login_reaches_the_milter(directory: Path, sink: Sink, milter: Path) -> None:
    """And the milter's answers the client."""
    main = {"smtpd_milters": f"unix:{milter}"}
    with Postfix(directory, users=USERS, main=main, sink_port=sink.port) as postfix:
        with Client(postfix.port(), login=("newsletter", "secret")) as smtp:
            smtp.mail(NEWS).expects(250)
            smtp.rcpt("out@example.org").expects(550, "5.7.1", "<out@example.org> opted out, 100% sure")
            smtp.rcpt(BOB).expects(250)
            smtp.data(message()).expects(250)
        (delivered,) = sink.wait(1)
    assert delivered.header("X-Login") == "newsletter"
    assert delivered.rcpt_tos == (BOB, "more@example.org")


def test_held_mail_is_seen_and_released(directory: Path, sink: Sink) -> None:
    """It stays in the queue, which counts as empty otherwise."""
    main = {"smtpd_recipient_restrictions": "check_recipient_access static:HOLD"}
    with Postfix(directory, main=main, sink_port=sink.port) as postfix:
        with Client(postfix.port()) as smtp:
            smtp.send(message(), BOB).expects(250)
        postfix.wait_empty()
        (held,) = postfix.hold_queue()
        assert (held.sender, held.recipients) == (NEWS, (BOB,))
        assert sink.messages == []
        postfix.tool("postsuper", "-H", "ALL")
        postfix.flush()
        sink.wait(1)


def test_mail_that_the_sink_defers_or_refuses_waits_or_bounces(postfix: Postfix, sink: Sink) -> None:
    """The queue says why mail waits; a refusal comes back to the sender from the null sender."""
    sink.refuse("slow@example.org", "451 4.2.2 Mailbox full")
    sink.refuse("dead@example.org")
    with Client(postfix.port()) as smtp:
        smtp.send(message(), "slow@example.org", "dead@example.org").expects(250)
    (bounce,) = sink.wait(1)
    assert (bounce.mail_from, bounce.rcpt_tos) == ("", (NEWS,))
    assert b"550 5.1.1 No such user" in bounce.content
    postfix.wait_log(r"to=<slow@example.org>.*status=deferred")
    (entry,) = postfix.queue()
    assert entry.recipients == ("slow@example.org",)
    wait_for(lambda: "Mailbox full" in postfix.queue()[0].delays[0], "the queue says why, once it is written down")
    with pytest.raises(LabError, match="an empty queue"):
        postfix.wait_empty(timeout=0.1)


def test_local_mail_stays_in_the_maildrop_while_its_milter_is_down(directory: Path) -> None:
    """As `milter_default_action = tempfail` has it."""
    main = {"non_smtpd_milters": f"unix:{directory}/absent.sock"}
    with Postfix(directory, main=main) as postfix:
        postfix.sendmail(message(), BOB)
        postfix.wait_log("absent.sock")
        assert postfix.maildrop_count() == 1


def test_a_changed_setting_holds_from_the_reload_on(postfix: Postfix) -> None:
    """For the very next session."""
    with Client(postfix.port()) as smtp:
        smtp.mail(NEWS).expects(250)
    for _ in range(3):
        for answer, code in (("reject", 554), ("permit", 250)):
            postfix.postconf(smtpd_sender_restrictions=answer, smtpd_delay_reject="no")
            postfix.reload()
            with Client(postfix.port()) as smtp:
                smtp.mail(NEWS).expects(code)


def test_mail_from_a_postfix_without_a_sink_goes_nowhere(directory: Path) -> None:
    """It is discarded, not sent."""
    with Postfix(directory) as postfix:
        with Client(postfix.port()) as smtp:
            smtp.send(message(), BOB).expects(250)
        postfix.wait_log(rf"postfix/discard.*to=<{BOB}>.*status=sent")
        postfix.wait_empty()


def test_nothing_is_left_after_the_end(directory: Path) -> None:
    """No daemon, no listener, also when the test fails; and the same Postfix can be started again."""
    postfix = Postfix(directory)
    sessions = []

    def failing_test() -> None:
        with postfix:
            sessions.append(postfix.pid)
            assert len(session_members(postfix.pid)) > 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    assert session_members(*sessions) == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", postfix.port()), timeout=1)
    with postfix, Client(postfix.port()) as smtp:
        assert smtp.greeting.code == 220
    postfix.stop()


def test_a_postfix_that_cannot_serve_says_why_and_is_stopped(directory: Path) -> None:
    """The log, with Postfix's own complaint, is part of the error."""
    broken = {"smtpd_relay_restrictions": "", "smtpd_recipient_restrictions": ""}
    postfix = Postfix(directory, main=broken)
    try:
        with pytest.raises(LabError, match=r"(?s)a greeting from smtp.*fatal: .*smtpd_relay_restrictions"):
            postfix.start(timeout=1)
        session = postfix.pid
    finally:
        postfix.stop()
    assert session_members(session) == []


def test_a_directory_that_postfix_may_not_enter_is_refused(directory: Path) -> None:
    """Its daemons would fail one by one, each in its own way."""
    closed = directory / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(LabError, match=f"may not enter {closed}"), Postfix(closed / "postfix"):
        pass


def test_a_failing_tool_is_an_error(postfix: Postfix) -> None:
    """With what it said."""
    with pytest.raises(LabError, match=r"postsuper .*exit 1"):
        postfix.tool("postsuper", "-z")
