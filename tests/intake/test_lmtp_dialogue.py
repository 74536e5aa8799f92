"""The LMTP edge: one reply for each recipient, limits, and nothing that was not asked for."""

import socket

import pytest
from aiosmtpd.lmtp import LMTP

from consentmilter.intake.session import Connection
from tests.intake.conftest import Start
from tests.intake.lmtp import Lmtp
from tests.intake.site import Site, letter


def test_the_greeting_offers_what_lmtp_demands_and_no_more(site: Site) -> None:
    """RFC 2033 section 5: PIPELINING; no AUTH, no STARTTLS, and no way to ask for users."""
    with Lmtp(site.socket) as lmtp:
        assert lmtp.hello is not None
        offered = set(lmtp.hello.expects(250).text.splitlines())
        assert {"SIZE 10485760", "8BITMIME", "SMTPUTF8", "PIPELINING"} <= offered
        assert not offered & {"STARTTLS", "HELP"}
    for command in ("AUTH PLAIN AGEAYg==", "STARTTLS", "VRFY ann", "EXPN all", "EHLO x", "HELO x"):
        with Lmtp(site.socket) as lmtp:
            lmtp.command(command).expects(500, "not recognized")


@pytest.mark.parametrize("count", [1, 2, 100])
def test_every_recipient_that_was_let_in_gets_a_reply_of_its_own(site: Site, count: int) -> None:
    """In their order, and none for those that were not let in (RFC 2033 section 4.2)."""
    good = [f"unsub+{site.token(f'p{number}@example.org')}@example.com" for number in range(count)]
    with Lmtp(site.socket) as lmtp:
        lmtp.mail().expects(250)
        for address in good:
            lmtp.rcpt(f"nobody-{address}").expects(550, "5.1.1")
            lmtp.rcpt(address).expects(250)
        assert [reply.code for reply in lmtp.data(letter())] == [250] * count
        assert lmtp.nothing_more()
    assert len(site.rows()) == count


def test_a_reply_tells_each_recipient_its_own_outcome(site: Site) -> None:
    """The middle one of three cannot be served; the others are not held up by that."""
    first, last = (f"unsub+{site.token(stream=stream)}@example.com" for stream in ("acme.offers", "zenith.news"))
    unsigned = letter(sender="nobody in particular")
    with Lmtp(site.socket) as lmtp:
        replies = lmtp.send(unsigned, first, "privacy@example.com", last)
    assert [reply.code for reply in replies] == [250, 554, 250]
    assert [row[0] for row in site.held()] == ["acme.offers", "zenith.news"]


def test_a_connection_serves_one_message_after_another(site: Site) -> None:
    """Also behind RSET, and behind a message that was refused."""
    with Lmtp(site.socket) as lmtp:
        for stream in ("acme.newsletter", "acme.offers"):
            lmtp.send(letter(), f"unsub+{site.token(stream=stream)}@example.com")[0].expects(250)
            lmtp.mail().expects(250)
            lmtp.command("RSET").expects(250)
            lmtp.send(letter(sender="x"), "privacy@example.com")[0].expects(554)
    assert len(site.held()) == 2


def test_commands_that_are_sent_all_at_once_are_answered_in_order(site: Site) -> None:
    """PIPELINING (RFC 2920)."""
    lines = ["MAIL FROM:<>", "RCPT TO:<nobody@example.com>", f"RCPT TO:<unsub+{site.token()}@example.com>", "DATA"]
    with Lmtp(site.socket) as lmtp:
        lmtp.write("".join(f"{line}\r\n" for line in lines).encode())
        assert [lmtp.reply().code for _ in lines] == [250, 550, 250, 354]
        lmtp.write(b"\r\n.\r\n")
        lmtp.reply().expects(250)
    assert len(site.held()) == 1


def test_a_message_that_is_too_large_is_refused_for_every_recipient(start: Start) -> None:
    """By its announced size, and by its real one."""
    site = start(intake={"max_size": 65536})
    recipients = [f"unsub+{site.token()}@example.com", "privacy@example.com"]
    with Lmtp(site.socket) as lmtp:
        lmtp.mail(options=" SIZE=65537").expects(552)
        replies = lmtp.send(letter(body=b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * 1000), *recipients)
        assert [reply.code for reply in replies] == [552, 552]
        assert lmtp.nothing_more()
    assert site.held() == []


def test_aiosmtpd_by_itself_would_owe_a_reply(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: without what `Connection` adds, the next command's reply is taken for the second one."""
    monkeypatch.setattr(Connection, "push", LMTP.push)
    site = start(intake={"max_size": 65536})
    with Lmtp(site.socket) as lmtp:
        lmtp.mail()
        for address in ("unsub@example.com", "privacy@example.com"):
            lmtp.rcpt(address).expects(250)
        lmtp.command("DATA").expects(354)
        lmtp.write((b"y" * 78 + b"\r\n") * 1000 + b".\r\nNOOP\r\n")
        assert [lmtp.reply().code for _ in range(2)] == [552, 250]


def test_a_line_that_is_too_long_is_refused_for_every_recipient(site: Site) -> None:
    """RFC 5321 section 4.5.3.1.6; Postfix folds such lines before (smtp_line_length_limit)."""
    recipients = [f"unsub+{site.token()}@example.com", "privacy@example.com"]
    with Lmtp(site.socket) as lmtp:
        assert [reply.code for reply in lmtp.send(letter(body=b"x" * 5000), *recipients)] == [500, 500]
        assert lmtp.nothing_more()
    assert site.held() == []


def test_an_endless_command_is_refused_and_the_next_one_is_understood(site: Site) -> None:
    """RFC 5321 section 4.5.3.1.4; another connection does not change the limits of this one."""
    with Lmtp(site.socket) as lmtp, Lmtp(site.socket) as other:
        lmtp.command(b"MAIL FROM:<" + b"a" * 5000 + b"@example.org>").expects(500)
        other.mail().expects(250)
        lmtp.send(letter(), f"unsub+{site.token()}@example.com")[0].expects(250)


def test_addresses_beyond_ascii_are_taken(site: Site) -> None:
    """SMTPUTF8 (RFC 6531)."""
    with Lmtp(site.socket) as lmtp:
        lmtp.mail("jürgen@exämple.org", " BODY=8BITMIME SMTPUTF8").expects(250)
        lmtp.rcpt(f"unsub+{site.token()}@example.com").expects(250)
        lmtp.rcpt("ünsub@example.com").expects(550)
        lmtp.data(letter(sender="Jürgen <jürgen@exämple.org>"))[0].expects(250)


def test_recipients_beyond_the_limit_are_told_to_come_again(site: Site) -> None:
    """452 4.5.3, upon which a client sends the rest in another transaction."""
    address = f"unsub+{site.token()}@example.com"
    with Lmtp(site.socket) as lmtp:
        lmtp.mail()
        lines = 1002
        lmtp.write(f"RCPT TO:<{address}>\r\n".encode() * lines)
        codes = [lmtp.reply().code for _ in range(lines)]
    assert codes == [250] * 1000 + [452, 452]


def test_odd_octets_at_any_place_leave_the_connection_of_others_alone(site: Site) -> None:
    """A definite answer or none, and the next client is served."""
    odd = [b"\x00", b"\xff\xfe", b"RCPT TO:<\xff@example.com>", b"MAIL FROM:<a\x00b>", b"RCPT TO:<" * 40, b"", b"\r"]
    for octets in odd:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(site.socket)
            client.settimeout(20)
            client.sendall(b"LHLO x\r\nMAIL FROM:<>\r\n" + octets + b"\r\nQUIT\r\n")
            answers = client.makefile("rb").read()
        assert answers.startswith(b"220 ")
        assert b"221 " in answers
    with Lmtp(site.socket) as lmtp:
        lmtp.send(letter(), f"unsub+{site.token()}@example.com")[0].expects(250)


SMUGGLED = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r.\r",
    b"\r\r\n.\r\r\n",
    b"\n\r.\n\r",
    b"\r\n.\r\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\x00\r\n",
    b"\xc2\x85.\xc2\x85",
]
"""What careless servers have taken for the end of a message (CVE-2023-51764); the only one is CRLF . CRLF."""


@pytest.mark.parametrize("end", SMUGGLED, ids=repr)
def test_no_other_line_ending_ends_a_message(site: Site, end: bytes) -> None:
    """What stands behind it would be commands; here a second message, which would suppress Ann."""
    hidden = b"\r\n".join(
        [b"MAIL FROM:<>", f"RCPT TO:<unsub+{site.token()}@example.com>".encode(), b"DATA", b"", b"gone"]
    )
    with Lmtp(site.socket) as lmtp:
        lmtp.mail().expects(250)
        lmtp.rcpt("privacy@example.com").expects(250)
        lmtp.command("DATA").expects(354)
        lmtp.write(letter(subject="Hello", body=b"Hello." + end + hidden) + b"\r\n.\r\n")
        lmtp.reply()
        assert lmtp.nothing_more()
    assert site.held() == []


def test_the_end_of_a_message_would_let_the_hidden_one_out(site: Site) -> None:
    """The test above can fail: behind CRLF . CRLF the same octets are a message of their own."""
    hidden = f"MAIL FROM:<>\r\nRCPT TO:<unsub+{site.token()}@example.com>\r\nDATA\r\n\r\ngone".encode()
    with Lmtp(site.socket) as lmtp:
        lmtp.mail().expects(250)
        lmtp.rcpt("privacy@example.com").expects(250)
        lmtp.command("DATA").expects(354)
        lmtp.write(letter(subject="Hello", body=b"Hello.\r\n.\r\n" + hidden) + b"\r\n.\r\n")
        assert [lmtp.reply().code for _ in range(5)][1:] == [250, 250, 354, 250]
    assert len(site.held()) == 1
