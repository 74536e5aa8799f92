"""What is agreed at the start of a session, also with an MTA that can do less than Postfix."""

import pytest

from lab.errors import MilterGoneError
from lab.milter import Milter
from lab.mta import Action, Edit, Kind, Mta, Protocol, Stage
from lab.process import wait_for
from tests.milter.offer import ALL_ACTIONS, ALL_STEPS, OfferingMta
from tests.milter.site import NEWSLETTER, QUEUED, SENDER, login, session

NEEDED = Action.ADDHDRS | Action.CHGHDRS | Action.DELRCPT | Action.QUARANTINE
VERSION_2 = {"version": 2, "actions": 0x3F, "steps": 0x7F}
"""What an MTA of before 2007 offers: no CHGFROM, no SETSYMLIST, no event may be left unanswered but by not being
sent, and DATA and unknown commands are not known."""


def test_it_asks_for_the_actions_events_and_macros_that_it_uses(milter: Milter) -> None:
    """No body, HELO, DATA, end of header or unknown command; no answer where none is needed; a reply to each RCPT."""
    with Mta(milter.socket) as mta:
        assert mta.actions == NEEDED | Action.ADDRCPT | Action.CHGFROM | Action.SETSYMLIST
        assert mta.protocol == (
            Protocol.NOHELO | Protocol.NODATA | Protocol.NOEOH | Protocol.NOBODY | Protocol.NOUNKNOWN
            | Protocol.NR_CONN | Protocol.NR_MAIL | Protocol.NR_HDR | Protocol.SKIP
        )  # fmt: skip
        assert mta.wanted_macros == {
            Stage.CONNECT: ["{daemon_name}", "{client_addr}", "{client_port}"],
            Stage.MAIL: ["{auth_authen}", "j"],
            Stage.RCPT: ["i", "{rcpt_addr}"],
            Stage.EOM: ["i"],
        }


@pytest.mark.parametrize(
    "offer",
    [
        pytest.param({"steps": Protocol.NOCONNECT.value}, id="every event is sent and answered"),
        pytest.param({"steps": ALL_STEPS & ~(Protocol.NR_CONN | Protocol.NR_MAIL | Protocol.NR_HDR).value}, id="no NR"),
        pytest.param({"steps": ALL_STEPS & ~(Protocol.NODATA | Protocol.NOUNKNOWN).value}, id="DATA is sent"),
        pytest.param({"actions": ALL_ACTIONS & ~Action.SETSYMLIST.value}, id="no choice of macros"),
        pytest.param({"actions": ALL_ACTIONS & ~Action.CHGFROM.value}, id="no change of the sender"),
        pytest.param(VERSION_2, id="version 2"),
        pytest.param({"version": 2, "actions": NEEDED.value, "steps": Protocol.NOCONNECT.value}, id="the least"),
        pytest.param({"version": 9, "actions": 0xFFFFFFFF, "steps": 0xFFFFFFFF}, id="a later version"),
    ],
)
def test_an_mta_that_can_do_enough_is_served(milter: Milter, offer: dict[str, int]) -> None:
    """Whatever goes unanswered with Postfix is answered, and the verdicts are the same."""
    milter.suppress("bob@example.org")
    with OfferingMta(milter.socket, **offer) as mta:
        _assert_within(mta, offer)
        mta.connect(macros={"daemon_name": "smtpd"}).expects(250)
        mta.helo().expects(250)
        mta.mail(SENDER, login("newsletter")).expects(250)
        mta.rcpt("<bob@example.org>").expects(550, "opted out")
        mta.rcpt("<ann@example.org>").expects(250)
        for reply in (mta.data(), mta.header("Subject", "Hello"), mta.eoh(), mta.body(b"Hello\r\n"), mta.eom(QUEUED)):
            reply.expects(250)
        assert [edit.name for edit in mta.edits] == ["List-Unsubscribe", "List-Unsubscribe-Post"]
        mta.message(SENDER, "<ann@example.org>", "<bob@example.org>", headers=[NEWSLETTER]).expects(250)
        assert Edit("delrcpt", "<bob@example.org>") in mta.edits


def _assert_within(mta: OfferingMta, offer: dict[str, int]) -> None:
    """Hold that nothing was agreed that the MTA does not offer or that we do not know."""
    version, actions, steps = mta.agreed
    assert version == min(offer.get("version", 6), 6)
    assert actions & ~offer.get("actions", ALL_ACTIONS) == 0
    assert steps & ~offer.get("steps", ALL_STEPS) == 0
    assert steps & ~ALL_STEPS == 0
    assert bool(mta.wanted_macros) == bool(actions & Action.SETSYMLIST.value)


@pytest.mark.parametrize("lacking", list(NEEDED))
def test_an_mta_that_could_not_carry_out_a_verdict_is_refused(milter: Milter, lacking: Action) -> None:
    """Hanging up leads to milter_default_action, that is, to a deferral; the log says what was missing."""
    with pytest.raises(MilterGoneError), OfferingMta(milter.socket, actions=ALL_ACTIONS & ~lacking.value):
        pass
    assert [event["reason"] for event in milter.events("negotiation_failed")] == [
        f"the MTA does not offer {lacking.name}"
    ]


def test_an_mta_of_before_version_2_is_refused(milter: Milter) -> None:
    """By libmilter, which says so in syslog, or on standard error where there is none."""
    with pytest.raises(MilterGoneError), OfferingMta(milter.socket, version=1):
        pass


def test_a_negotiation_that_is_cut_short_ends_the_session(milter: Milter) -> None:
    """Twelve octets are its least."""
    mta = Mta(milter.socket)
    mta.open()
    mta.send_frame(b"O", b"\0\0\0\6\0\0\1\xff")
    assert mta.hung_up()
    mta.close()


def test_events_before_the_negotiation_are_deferred(milter: Milter) -> None:
    """There is no session that could know who mails: 451 or silence, never a pass."""
    mta = Mta(milter.socket)
    mta.open()
    mta.mail(SENDER).expects(451).is_a(Kind.REPLYCODE)
    mta.close()


def test_a_message_without_a_connect_is_deferred(milter: Milter) -> None:
    """Who does not know the client cannot know whether its mail is outbound, and must not let it pass."""
    with Mta(milter.socket) as mta:
        mta.mail(SENDER)
        mta.rcpt("<bob@example.org>").expects(451, "4.3.0").is_a(Kind.REPLYCODE)
        mta.rcpt("<ann@example.org>").expects(451, "4.3.0")
        mta.eom().expects(451, "4.3.0")
    assert [fault["callback"] for fault in milter.events("fault")] == ["envfrom"]


def test_a_second_negotiation_is_ignored(milter: Milter) -> None:
    """What was agreed stays: nobody makes us believe that RCPT needs no reply."""
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        mta.send_frame(b"O", b"\0\0\0\6\0\0\1\xff\0\x1f\xff\xff")
        mta.mail(SENDER, login("newsletter"))
        mta.rcpt("<bob@example.org>").expects(550, "opted out")


def test_sessions_of_different_agreements_do_not_disturb_each_other(milter: Milter) -> None:
    """libmilter keeps one table of what may follow what for all sessions; a bare one is served beside a full one."""
    with session(milter) as full, OfferingMta(milter.socket, **VERSION_2) as bare:
        bare.connect().expects(250)
        for mta in (full, bare, full, bare):
            mta.message(SENDER, "<ann@example.org>", headers=[NEWSLETTER]).expects(250)
            assert len(mta.edits) == 2
    wait_for(lambda: len(milter.events("decision")) == 4, "four decisions")
