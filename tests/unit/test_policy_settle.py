"""What becomes of the whole message."""

from itertools import product
from typing import NamedTuple

import pytest

from consentmilter.model import Reason, Verdict
from consentmilter.policy.decide import ACCEPT, Decision
from consentmilter.policy.settle import Outcome, Pass, Recipient, Settlement, refuse_now, settle
from consentmilter.policy.site import Mixed, Stream
from tests.unit.making import stream, suppression

TABLE = """
action  mixed   | smtp: all  some   | sendmail: all  some
reject  remove  |       reject remove |         reject reject
reject  reject  |       reject reject |         reject reject
tag     remove  |       tag    tag    |         tag    tag
tag     reject  |       tag    tag    |         tag    tag
remove  remove  |       reject remove |         reject reject
remove  reject  |       reject remove |         reject reject
hold    remove  |       hold   remove |         hold   reject
hold    reject  |       hold   reject |         hold   reject
defer   remove  |       defer  remove |         defer  reject
defer   reject  |       defer  defer  |         defer  reject
"""
"""What an enforced stream does by its action and its `mixed`, if all or some recipients are suppressed.

Removing all would make Postfix swallow the message; a removal from sendmail(1) mail may silently miss.
"""

REFUSING = [verdict for verdict in Verdict if verdict is not Verdict.ACCEPT]


class Case(NamedTuple):
    """One cell of the table."""

    action: Verdict
    mixed: Mixed
    non_smtp: bool
    everybody: bool
    expected: str


ROWS = [line.replace("|", " ").split() for line in TABLE.strip().splitlines()[1:]]
CASES = [
    Case(Verdict(action), Mixed(mixed), non_smtp, everybody, expected)
    for action, mixed, *outcomes in ROWS
    for (non_smtp, everybody), expected in zip(product((False, True), (True, False)), outcomes, strict=True)
]


def suppressed(on: Stream, who: str = "a@example.com", *, removable: bool = True) -> Recipient:
    return Recipient(
        f"<{who}>", who.encode("utf-8", "surrogateescape"), Decision(on.action, suppression(who)), removable
    )


def accepted(who: str = "b@example.com") -> Recipient:
    return Recipient(f"<{who}>", who.encode(), ACCEPT)


def named(settlement: Settlement, affected: tuple[Recipient, ...]) -> str:
    """The settlement in the words of the table, after a check that it is consistent."""
    done = [
        word
        for word, so in (
            (settlement.outcome.value, settlement.outcome is not Outcome.DELIVER),
            ("remove", bool(settlement.remove)),
            ("hold", settlement.hold),
            ("tag", settlement.tag),
        )
        if so
    ]
    assert len(done) <= 1
    assert settlement.refused in ((), affected)
    assert bool(settlement.refused) is (settlement.outcome is not Outcome.DELIVER)
    assert settlement.remove in ((), affected)
    return done[0] if done else "deliver"


@pytest.mark.parametrize("stage", Pass)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_table(case: Case, stage: Pass) -> None:
    """Every action, either `mixed`, all or some, SMTP or sendmail(1), in each pass of the loop."""
    on = stream(action=case.action, mixed=case.mixed)
    affected = (suppressed(on), suppressed(on, "c@example.com"))
    recipients = affected if case.everybody else (affected[0], accepted(), affected[1])
    behind_the_split = stage is Pass.FIRST and case.action in (Verdict.HOLD, Verdict.TAG)
    expected = "deliver" if behind_the_split else case.expected
    assert named(settle(on, recipients, non_smtp=case.non_smtp, stage=stage), affected) == expected


def test_the_table_is_complete() -> None:
    """Every verdict but accept stands in it, with either `mixed`."""
    assert {(case.action, case.mixed) for case in CASES} == set(product(REFUSING, Mixed))


@pytest.mark.parametrize(("action", "mixed"), list(product(REFUSING, Mixed)))
@pytest.mark.parametrize("non_smtp", [False, True])
def test_a_message_that_nobody_refuses_is_delivered(action: Verdict, mixed: Mixed, non_smtp: bool) -> None:
    """Whatever the stream would do."""
    on = stream(action=action, mixed=mixed)
    bypassed = Recipient("<c@example.com>", b"c", Decision(Verdict.ACCEPT, suppression()))
    unverified = Recipient("<d@example.com>", b"d", Decision(Verdict.ACCEPT, unverified=True))
    for recipients in ((), (accepted(),), (accepted(), bypassed, unverified)):
        assert settle(on, recipients, non_smtp=non_smtp) == Settlement(Outcome.DELIVER)


@pytest.mark.parametrize("action", [Verdict.REJECT, Verdict.REMOVE, Verdict.HOLD, Verdict.DEFER])
def test_a_recipient_that_cannot_be_named_to_postfix_is_not_removed(action: Verdict) -> None:
    """The message is refused as a whole instead."""
    on = stream(action=action)
    odd = suppressed(on, "\udcff@example.com", removable=False)
    settlement = settle(on, [odd, accepted(), suppressed(on)], non_smtp=False)
    assert settlement.outcome is Outcome.REJECT
    assert settlement.remove == ()


@pytest.mark.parametrize("action", REFUSING)
@pytest.mark.parametrize("stage", Pass)
@pytest.mark.parametrize("others", [0, 1])
def test_a_message_that_cannot_be_verified_is_deferred(action: Verdict, stage: Pass, others: int) -> None:
    """All of it, and never answered with a 5xx: the fault is ours."""
    on = stream(action=action)
    unverified = Recipient("<a@example.com>", b"a", Decision(Verdict.DEFER, unverified=True))
    settlement = settle(on, [unverified] + [accepted()] * others, non_smtp=False, stage=stage)
    assert settlement == Settlement(Outcome.DEFER, refused=(unverified,))


@pytest.mark.parametrize(
    ("verdict", "at_rcpt"),
    [
        (Verdict.ACCEPT, False),
        (Verdict.REJECT, True),
        (Verdict.DEFER, True),
        (Verdict.TAG, False),
        (Verdict.REMOVE, False),
        (Verdict.HOLD, False),
    ],
)
def test_only_a_refusal_or_a_deferral_is_told_at_rcpt(verdict: Verdict, at_rcpt: bool) -> None:
    """And neither to mail from sendmail(1), which Postfix would keep trying for ever."""
    decision = Decision(verdict, suppression(reason=Reason.COMPLAINT))
    assert refuse_now(decision, non_smtp=False) is at_rcpt
    assert not refuse_now(decision, non_smtp=True)
