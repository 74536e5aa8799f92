"""Events in an order that no Postfix sends them in, and ends at every point.

libmilter drops an event that cannot come where it comes, without an answer, and forgets the message. What must hold
here: nothing of it is carried into the next message. An answer too many would be taken for that of the next event.
"""

from collections.abc import Callable

import pytest

from lab.milter import Milter
from lab.milter_protocol import strings
from lab.mta import Edit, Stage
from tests.milter.offer import OfferingMta
from tests.milter.site import NEWSLETTER, QUEUED, SENDER, assert_no_fault, assert_serves, login, session

Step = Callable[[OfferingMta], object]

EVE = "<eve@example.org>"


def _mail(mta: OfferingMta) -> None:
    mta.mail(SENDER, login("release-bot"))


def _rcpt(mta: OfferingMta) -> None:
    mta.rcpt(EVE).expects(250)


def _header(mta: OfferingMta) -> None:
    mta.header("X-Consent-Stream", "acme.security")


def _end(mta: OfferingMta) -> None:
    mta.eom(QUEUED).expects(250)


def _abort(mta: OfferingMta) -> None:
    mta.abort()


def _dropped(letter: bytes, data: bytes = b"") -> Step:
    """An event that libmilter drops."""
    return lambda mta: mta.send_frame(letter, data)


LATE_RCPT = _dropped(b"R", strings(EVE))
LATE_HEADER = _dropped(b"L", strings(*NEWSLETTER))
LATE_END = _dropped(b"E")
CONNECT = _dropped(b"C", strings("else.example") + b"4\x9c\x40" + strings("192.0.2.9"))
NEGOTIATION = _dropped(b"O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")

DISORDER: dict[str, list[Step]] = {
    "RCPT without MAIL": [LATE_RCPT],
    "header without MAIL": [LATE_HEADER],
    "end without MAIL": [LATE_END],
    "header and end without MAIL": [LATE_HEADER, LATE_END],
    "header without RCPT": [_mail, LATE_HEADER],
    "end without RCPT": [_mail, LATE_END],
    "MAIL and nothing": [_mail],
    "MAIL twice": [_mail, _mail],
    "MAIL after RCPT": [_mail, _rcpt, _mail],
    "MAIL after the header": [_mail, _rcpt, _header, _mail, _rcpt],
    "RCPT after the header": [_mail, _rcpt, _header, LATE_RCPT],
    "RCPT after the end": [_mail, _rcpt, _end, LATE_RCPT],
    "header after the end": [_mail, _rcpt, _end, LATE_HEADER],
    "end twice": [_mail, _rcpt, _end, LATE_END],
    "abort before anything": [_abort],
    "abort after MAIL": [_mail, _abort],
    "abort after RCPT": [_mail, _rcpt, _abort],
    "abort after the header": [_mail, _rcpt, _header, _abort],
    "abort after the end": [_mail, _rcpt, _end, _abort],
    "abort twice": [_mail, _rcpt, _abort, _abort],
    "end after an abort": [_mail, _rcpt, _header, _abort, LATE_END],
    "connect again": [CONNECT],
    "connect within a message": [_mail, _rcpt, CONNECT],
    "negotiation within a message": [_mail, _rcpt, NEGOTIATION, LATE_RCPT],
}


@pytest.mark.parametrize("steps", DISORDER.values(), ids=DISORDER)
def test_nothing_is_carried_over(milter: Milter, steps: list[Step]) -> None:
    """A newsletter after it: one refusal, one link of one's own, no header, login or recipient of before."""
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        for step in steps:
            step(mta)
        before = len(milter.events("decision"))
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<bob@example.org>").expects(550, "opted out")
        mta.rcpt("<ann@example.org>").expects(250)
        mta.header("Subject", "Hello")
        mta.eom(QUEUED).expects(250)
    assert [edit.name for edit in mta.edits] == ["List-Unsubscribe", "List-Unsubscribe-Post"]
    decisions = milter.decisions(before + 2)[before:]
    assert [(d["stream"], d["login"], d["verdict"]) for d in decisions] == [
        ("acme.newsletter", "newsletter", "reject"),
        ("acme.newsletter", "newsletter", "accept"),
    ]
    assert decisions[0]["ref"] == decisions[1]["ref"]
    assert_no_fault(milter)


@pytest.mark.parametrize("leave", [OfferingMta.quit, OfferingMta.drop], ids=["QUIT", "hanging up"])
def test_a_session_can_end_anywhere(milter: Milter, leave: Step) -> None:
    """The next one knows nothing of it."""
    for steps in DISORDER.values():
        with session(milter) as mta:
            for step in steps:
                step(mta)
            leave(mta)
        with session(milter) as mta:
            mta.message(SENDER, "<ann@example.org>").expects(250)
            assert mta.edits == []
    assert_serves(milter)
    assert_no_fault(milter)


def test_a_recipient_after_an_abort_is_deferred(milter: Milter) -> None:
    """That one libmilter lets through; it belongs to no message, so nothing can be said of it."""
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        mta.mail(SENDER, login("newsletter"))
        mta.abort()
        mta.rcpt(EVE).expects(451, "4.3.0")
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<bob@example.org>").expects(550)
        mta.rcpt("<ann@example.org>").expects(250)
        mta.eom(QUEUED).expects(250)
        assert len(mta.edits) == 2


@pytest.mark.parametrize("letter", [b"H", b"T", b"N", b"B", b"U"])
def test_an_event_that_was_not_asked_for_is_waved_on(milter: Milter, letter: bytes) -> None:
    """HELO, DATA, end of header, a piece of the body and an unknown command, sent all the same."""
    with session(milter) as mta:
        mta.mail(SENDER)
        mta.rcpt("<ann@example.org>").expects(250)
        if letter in (b"N", b"B"):
            mta.header(*NEWSLETTER)
        mta.send_frame(letter, b"" if letter in (b"T", b"N") else strings("something"))
        assert mta.read_frame() == (b"c", b"")
    assert_no_fault(milter)


def test_recipients_of_an_aborted_message_are_not_removed_from_the_next(milter: Milter) -> None:
    """RSET after a recipient who opted out, while only the header can tell the stream."""
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        mta.mail(SENDER)
        mta.rcpt("<bob@example.org>").expects(250)
        mta.abort()
        mta.message(SENDER, "<ann@example.org>", headers=[NEWSLETTER]).expects(250)
        assert [edit for edit in mta.edits if edit.what == "delrcpt"] == []
        mta.message(SENDER, "<ann@example.org>", "<bob@example.org>", headers=[NEWSLETTER]).expects(250)
        assert Edit("delrcpt", "<bob@example.org>") in mta.edits


def test_the_login_of_a_message_before_is_not_this_one_s(milter: Milter) -> None:
    """libmilter keeps the macros of the last MAIL that had any: Postfix must be asked for one that it always sends."""
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        mta.mail(SENDER, login("release-bot"))
        mta.rcpt("<bob@example.org>").expects(250)
        mta.header("X-Consent-Stream", "acme.security")
        mta.eom(QUEUED).expects(250)
        wanted = mta.wanted_macros
        mta.message(SENDER, "<bob@example.org>", headers=[("X-Consent-Stream", "acme.security")]).expects(550)
    assert wanted[Stage.MAIL] == ["{auth_authen}", "j"]
    assert milter.decisions()[-1]["false_claim"] == "acme.security"
