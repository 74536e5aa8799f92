"""Much, little and nothing: the longest header, the most fields and recipients, empty strings; and flat memory."""

from contextlib import suppress
from typing import Any

import pytest

from lab.errors import MilterGoneError
from lab.milter import Milter
from lab.mta import Edit, MilterReply
from tests.milter.conftest import Breakable, Start
from tests.milter.memory import assert_flat
from tests.milter.offer import OfferingMta
from tests.milter.site import (
    NEWSLETTER,
    QUEUED,
    SENDER,
    assert_no_fault,
    assert_serves,
    login,
    session,
    stream,
)

PACKET = 65_535
"""What libmilter takes in one packet (MILTER_CHUNK_SIZE); Postfix cuts a header at header_size_limit, 102,400."""


@pytest.mark.parametrize("octets", [60_000, PACKET - len("DKIM-Signature\0\0")])
def test_the_longest_header_is_read_to_its_end(milter: Milter, octets: int) -> None:
    """A signature that covers List-Unsubscribe in its last octets forbids that one is added."""
    end = "; h=list-unsubscribe"
    signature = "v=1; x=" + "y" * (octets - len("v=1; x=" + end)) + end
    with session(milter) as mta:
        mta.message(SENDER, "<ann@example.org>", headers=[NEWSLETTER, ("DKIM-Signature", signature)]).expects(250)
        assert mta.edits == []
        mta.message(SENDER, "<ann@example.org>", headers=[NEWSLETTER, ("DKIM-Signature", signature[:-1])]).expects(250)
        assert len(mta.edits) == 2
    assert_no_fault(milter)


@pytest.mark.parametrize("octets", [PACKET, 2**16, 100_000])
def test_a_longer_header_ends_the_session(milter: Milter, octets: int) -> None:
    """libmilter hangs up, which leads to milter_default_action; the next session is served."""
    with session(milter) as mta:
        mta.mail(SENDER)
        mta.rcpt("<ann@example.org>").expects(250)
        with suppress(MilterGoneError):  # it may hang up before it has all of it
            mta.header("X-Long", "x" * octets)
        assert mta.hung_up()
    assert_serves(milter)
    assert_no_fault(milter)


@pytest.mark.parametrize("name", ["X-Unknown", "X-Consent-Stream", "List-Unsubscribe"])
def test_ten_thousand_fields_are_read(milter: Milter, name: str) -> None:
    """And none of them is touched; a link that the message brings along is kept."""
    with session(milter) as mta:
        _send_fields(mta, name, 10_000).expects(250)
    assert len(mta.edits) == (0 if name == "List-Unsubscribe" else 2)
    assert_no_fault(milter)


def test_forged_fields_are_removed_from_the_last_to_the_first(milter: Milter) -> None:
    """Since every removal renumbers those behind it."""
    with session(milter) as mta:
        _send_fields(mta, "X-Consent-Status", 998).expects(250)
    assert mta.edits[:-2] == [Edit("chgheader", "", "X-Consent-Status", index) for index in range(998, 0, -1)]
    assert len(mta.edits[-2:]) == 2


@pytest.mark.parametrize("config", [{}, {"streams": stream(existing="replace")}], ids=["our own", "links"])
def test_more_edits_than_postfix_can_take_are_not_asked_for(start: Start, config: dict[str, Any]) -> None:
    """Its cleanup(8) would panic, and all other mail would wait; so this message does."""
    milter = start(**config)
    with session(milter) as mta:
        _send_fields(mta, "List-Unsubscribe" if config else "X-Consent-Status", 10_000).expects(451, "4.3.0")
        assert mta.edits == []
    assert "10002 changes" in milter.events("fault")[0]["exception"]
    assert_serves(milter)


def _send_fields(mta: OfferingMta, name: str, count: int) -> MilterReply:
    mta.mail(SENDER, login("newsletter"))
    mta.rcpt("<ann@example.org>").expects(250)
    for number in range(count):
        mta.header(name, str(number))
    return mta.eom(QUEUED)


def test_each_of_a_thousand_recipients_gets_their_own_answer(milter: Milter) -> None:
    """Every other one opted out: refused at RCPT where the login tells the stream, removed where the header does."""
    people = [f"<person{number}@{('in', 'out')[number % 2]}.example>" for number in range(1000)]
    milter.suppress("out.example")
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        assert [mta.rcpt(address).code for address in people] == [250, 550] * 500
        mta.eom(QUEUED).expects(250)
        assert [edit.value for edit in mta.edits] == ["<mailto:unsub+acme.newsletter@example.com>"]
        mta.message(SENDER, *people, headers=[NEWSLETTER]).expects(250)
        assert [edit.value for edit in mta.edits if edit.what == "delrcpt"] == people[1::2]
        refusal = mta.message(SENDER, *people[1::2], headers=[NEWSLETTER]).expects(550, " more: ", "remove these")
        assert len(refusal.text) < 512
    assert_no_fault(milter)


def test_empty_strings_get_a_verdict(milter: Milter) -> None:
    """As sender, as recipient, as a value, as a macro."""
    milter.suppress("bob@example.org")
    with session(milter, host="", listener="") as mta:
        for sender in ("", "<>"):
            for who in ({}, login(""), login("newsletter")):
                mta.mail(sender, who)
                mta.rcpt("").expects(553, "cannot be read")
                mta.rcpt("<>").expects(553)
                mta.rcpt("<bob@example.org>", {"i": "", "rcpt_addr": ""})
                mta.rcpt("<ann@example.org>", {}).expects(250)
                for name in ("X-Consent-Stream", "List-Unsubscribe", "Message-ID"):
                    mta.header(name, "")
                mta.eom({"i": ""}).expects(250)
    assert [d.get("login") for d in milter.decisions() if d["verdict"] == "reject"] == ["newsletter"] * 2
    assert_no_fault(milter)


@pytest.mark.parametrize("letter", [b"M", b"R", b"L"])
@pytest.mark.parametrize("data", [b"", b"no end"])
def test_an_event_without_its_strings_ends_the_session(milter: Milter, letter: bytes, data: bytes) -> None:
    """Such a packet is no event."""
    with session(milter) as mta:
        if letter in (b"R", b"L"):
            mta.mail(SENDER)
        if letter == b"L":
            mta.rcpt("<ann@example.org>").expects(250)
        mta.send_frame(letter, data)
        assert mta.hung_up()
    assert_serves(milter)
    assert_no_fault(milter)


def _use(milter: Milter) -> None:
    """Messages of every kind and size, and sessions of every end."""
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        for number in range(50):
            mta.rcpt(f"<someone{number}@example.org>").expects(250)
        for _ in range(5):
            mta.header("List-Id", "x" * 60_000)
        mta.eom(QUEUED).expects(250)
        mta.message(SENDER, "<bob@example.org>", headers=[NEWSLETTER]).expects(550)
        mta.message("<\udcff>", "<\udcff@example.org>", headers=[("List-Id", "\udcff")] * 100).expects(250)
        mta.mail(SENDER)
        mta.abort()
        mta.mail(SENDER)
        mta.rcpt("<bob@example.org>").expects(250)
        mta.send_raw(b"\xff\xff")
        mta.drop()


def test_memory_stays_flat(milter: Milter) -> None:
    """Whatever a session held is given back with it."""
    milter.suppress("bob@example.org")
    assert_flat(milter, lambda: _use(milter), rounds=40, kib=4096)


def test_a_leak_would_be_noticed(breakable: Breakable) -> None:
    """100 kB a look-up, some fifty look-ups a round."""
    breakable.suppress("bob@example.org")
    breakable.defects("leak")
    with pytest.raises(AssertionError, match="KiB more"):
        assert_flat(breakable, lambda: _use(breakable), rounds=3, kib=4096)
