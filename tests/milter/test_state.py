"""State is per message: many messages of different streams and logins in one session, some of them given up."""

import random
import re
from dataclasses import dataclass

import pytest

from lab.milter import Milter
from lab.mta import MilterReply
from tests.milter.conftest import Breakable
from tests.milter.offer import OfferingMta
from tests.milter.site import NEWSLETTER, QUEUED, SECURITY, SENDER, assert_no_fault, login, session

ANN, BOB = "<ann@example.org>", "<bob@example.org>"
LINK = ("List-Unsubscribe", "List-Unsubscribe-Post")


@dataclass(frozen=True)
class Kind:
    """A message, and what must become of it when Bob has opted out: each RCPT, the end, and the edits."""

    who: str
    headers: tuple[tuple[str, str], ...]
    rcpts: dict[str, int]
    end: int
    edits: tuple[str, ...] = ()


KINDS = [
    Kind("newsletter", (), {ANN: 250, BOB: 550}, 250, LINK),
    Kind("newsletter", (), {BOB: 550, ANN: 250}, 250, LINK),
    Kind("newsletter", (SECURITY,), {ANN: 250}, 250, LINK),
    Kind("release-bot", (SECURITY,), {ANN: 250, BOB: 250}, 250),
    Kind("release-bot", (NEWSLETTER,), {BOB: 250}, 550),
    Kind("alice", (), {ANN: 250, BOB: 250}, 250),
    Kind("alice", (NEWSLETTER,), {BOB: 250}, 550),
    Kind("alice", (NEWSLETTER,), {ANN: 250, BOB: 250}, 250, (BOB, *LINK)),
    Kind("", (SECURITY,), {BOB: 250}, 550),
    Kind("", (("X-Consent-Status", "forged"), NEWSLETTER), {ANN: 250}, 250, ("X-Consent-Status", *LINK)),
    Kind("", (("List-Id", "<list.example>"), ("X-Consent-Route", "forged")), {BOB: 250}, 250, ("X-Consent-Route",)),
    Kind("", (), {"<\x01>": 553, BOB: 250}, 250),
]


def _send(mta: OfferingMta, kind: Kind, dice: random.Random) -> list[MilterReply]:
    """A message, to its end or given up somewhere; the answers that must name it."""
    refusals: list[MilterReply] = []
    mta.mail(SENDER, login(kind.who) if kind.who else None)
    for address, code in kind.rcpts.items():
        if dice.random() < 0.1:
            mta.abort()
            return refusals
        reply = mta.rcpt(address)
        assert reply.code == code, (kind, address, reply)
        refusals += [reply] * (not reply.goes_on)
    for name, value in kind.headers:
        mta.header(name, value)
    if dice.random() < 0.1:
        mta.abort()
        return refusals
    reply = mta.eom(QUEUED)
    assert reply.code == kind.end, (kind, reply)
    edits = [edit.name or edit.value for edit in mta.edits] if reply.goes_on else []
    assert edits == list(kind.edits), (kind, mta.edits)
    if dice.random() < 0.5:
        mta.abort()  # as Postfix does after every message
    return refusals + [reply] * (not reply.goes_on)


def _mix(milter: Milter, dice: random.Random, *, sessions: int) -> None:
    """Sessions of ten messages each, and hold that every answer and every decision is of its own message."""
    milter.suppress("bob@example.org")
    seen: dict[str, Kind] = {}
    for _ in range(sessions):
        with session(milter) as mta:
            for _ in range(10):
                kind = dice.choice(KINDS)
                refs = {re.findall(r"\[(\w+)\]$", reply.text)[0] for reply in _send(mta, kind, dice)}
                assert len(refs) <= 1
                assert not refs & seen.keys(), "a reply of another message"
                seen |= dict.fromkeys(refs, kind)
    for decision in milter.decisions():
        if decision["ref"] in seen:
            assert decision.get("login", "") == seen[decision["ref"]].who


def test_messages_of_one_session_know_nothing_of_each_other(milter: Milter, dice: random.Random) -> None:
    """Streams by login and by header, refusals, removals, false claims, forged fields and odd addresses, mixed."""
    _mix(milter, dice, sessions=60)
    assert_no_fault(milter)


@pytest.mark.parametrize("defect", ["keep", "stale"])
def test_state_that_is_kept_would_be_noticed(breakable: Breakable, dice: random.Random, defect: str) -> None:
    """A message that is screened as the one before it, and one that gets its reply."""
    breakable.defects(defect)
    with pytest.raises(AssertionError):
        _mix(breakable, dice, sessions=20)


def test_sessions_side_by_side_know_nothing_of_each_other(milter: Milter, dice: random.Random) -> None:
    """Event by event in turn, on whatever thread libmilter runs them."""
    milter.suppress("bob@example.org")
    with session(milter) as one, session(milter) as other, session(milter) as third:
        for _ in range(100):
            one.mail(SENDER, login("newsletter"))
            other.mail(SENDER, login("release-bot"))
            third.mail(SENDER, login("alice"))
            one.rcpt(BOB).expects(550)
            other.rcpt(BOB).expects(250)
            third.rcpt(BOB).expects(250)
            one.rcpt(ANN).expects(250)
            for mta, header in ((other, SECURITY), (third, NEWSLETTER)):
                mta.header(*header)
            assert [mta.eom(QUEUED).code for mta in (third, one, other)] == [550, 250, 250]
            assert (len(one.edits), other.edits) == (2, [])
    assert_no_fault(milter)
