"""The laboratory's own side of the milter protocol, against a real libmilter."""

import socket
import struct
from pathlib import Path

import pytest

from lab.errors import LabError, MilterGoneError
from lab.milter_protocol import MilterReply, parse_edit, strings
from lab.mta import Action, Edit, Kind, Mta, Protocol, Stage

SENDER = "<news@test.example>"


def test_the_negotiation_shows_what_the_milter_wants(milter: Path) -> None:
    """Flags, and the macros that it named."""
    with Mta(milter) as mta:
        assert Action.ADDHDRS in mta.actions
        assert Protocol.NOBODY in mta.protocol
        assert Protocol.NR_HDR in mta.protocol
        assert mta.wanted_macros == {Stage.MAIL: ["{auth_authen}", "{client_port}"]}


def test_a_refusal_carries_code_and_text(milter: Path) -> None:
    """As Postfix passes them on: a doubled percent sign comes out single."""
    with Mta(milter) as mta:
        mta.connect()
        mta.mail(SENDER)
        mta.rcpt("<out@example.org>").expects(550, "5.7.1", "opted out, 100% sure").is_a(Kind.REPLYCODE)
        mta.rcpt("<later@example.org>").expects(451, "try again later").is_a(Kind.TEMPFAIL)
        mta.rcpt("<bob@example.org>").expects(250).is_a(Kind.CONTINUE)


def test_a_wrong_expectation_fails() -> None:
    """And says what was answered instead."""
    reply = MilterReply(550, "5.7.1 opted out", Kind.REPLYCODE)
    with pytest.raises(AssertionError, match=r"expected 250, got 550 5\.7\.1 opted out"):
        reply.expects(250)
    with pytest.raises(AssertionError, match="expected 'since'"):
        reply.expects(550, "opted out", "since")
    with pytest.raises(AssertionError, match="expected continue, got replycode"):
        reply.is_a(Kind.CONTINUE)


def test_macros_reach_the_milter_and_edits_come_back(milter: Path) -> None:
    """All edits of the end of the message, in their order."""
    with Mta(milter) as mta:
        mta.connect()
        mta.mail(SENDER, {"auth_authen": "newsletter"})
        mta.rcpt("<gone@example.org>")
        mta.header("Subject", "Hello")
        mta.header("X-Old", "1")
        mta.eom({"i": "4ABC"}).expects(250)
    assert mta.progress == 1
    assert mta.edits == [
        Edit("addheader", "newsletter", name="X-Login"),
        Edit("insheader", "4ABC", name="X-Queue-Id", index=0),
        Edit("addheader", "2", name="X-Headers-Seen"),
        Edit("chgheader", "", name="X-Old", index=1),
        Edit("delrcpt", "<gone@example.org>"),
        Edit("addrcpt", "<more@example.org>"),
    ]


def test_negotiated_flags_are_honoured(milter: Path) -> None:
    """An event that the milter does not want is not sent; an answer that it does not give is not waited for."""
    with Mta(milter) as mta:
        mta.helo().is_a(Kind.NOT_SENT)
        mta.mail(SENDER)
        mta.header("Subject", "Hello").is_a(Kind.NO_REPLY)
        mta.body(b"Hello").is_a(Kind.NOT_SENT)


def test_one_session_carries_several_messages(milter: Path) -> None:
    """A recipient who is refused is left out; a message without recipients ends with the refusal."""
    with Mta(milter) as mta:
        mta.connect()
        mta.message(SENDER, "<out@example.org>", "<bob@example.org>", headers=[("Subject", "1")]).expects(250)
        assert Edit("addheader", "1", name="X-Headers-Seen") in mta.edits
        mta.abort()
        mta.message(SENDER, "<later@example.org>", "<out@example.org>").expects(550, "opted out")


def test_garbage_makes_the_milter_hang_up(milter: Path) -> None:
    """A length of 4 GB is no packet."""
    mta = Mta(milter)
    mta.open()
    mta.send_raw(b"\xff\xff\xff\xffgarbage")
    assert mta.hung_up()
    mta.close()


def test_a_milter_that_hangs_up_instead_of_answering_is_named(directory: Path) -> None:
    """A closed connection is no reply."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        mta = Mta(f"inet:{server.getsockname()[1]}@127.0.0.1")
        mta.open()
        server.accept()[0].close()
        with pytest.raises(MilterGoneError, match="hung up"):
            mta.negotiate()
        mta.close()


def test_a_silent_milter_is_not_waited_for_forever(directory: Path) -> None:
    """Every read has a bound."""
    with socket.create_server(str(directory / "silent.sock"), family=socket.AF_UNIX):
        with pytest.raises(TimeoutError):
            Mta(f"unix:{directory / 'silent.sock'}", timeout=0.1).__enter__()
        silent = Mta(directory / "silent.sock", timeout=0.1)
        silent.open()
        assert not silent.hung_up()
        silent.close()


def test_an_unconnected_mta_says_so() -> None:
    """Rather than to fail somewhere below."""
    with pytest.raises(LabError, match="not connected"):
        Mta("/nonexistent").mail(SENDER)


@pytest.mark.parametrize(
    ("letter", "data", "edit"),
    [
        (b"e", strings("<a@x>", "RET=HDRS"), Edit("chgfrom", "<a@x>")),
        (b"2", strings("<b@x>", "NOTIFY=NEVER"), Edit("addrcpt", "<b@x>")),
        (b"q", strings("suspicious"), Edit("quarantine", "suspicious")),
        (b"i", struct.pack(">I", 3) + strings("X-A", b"\xff"), Edit("insheader", "\udcff", name="X-A", index=3)),
        (b"b", b"text", Edit("replbody", "text")),
        (b"c", b"", None),
    ],
)
def test_every_edit_is_read(letter: bytes, data: bytes, edit: Edit | None) -> None:
    """Those that the fixture milter does not ask for; octets that are no UTF-8 survive."""
    assert parse_edit(letter, data) == edit


def test_frames_that_break_the_protocol_are_errors() -> None:
    """A reply that does not exist, and a header without its value."""
    with pytest.raises(LabError, match="no reply of the milter protocol"):
        MilterReply.parse(b"Z", b"")
    with pytest.raises(LabError, match="cut short"):
        parse_edit(b"h", b"X-Name")
