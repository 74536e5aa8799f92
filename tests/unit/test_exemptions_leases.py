"""What a worker holds of a rule's cap: used once, for one day, and given back when it lies idle."""

from dataclasses import replace

import pytest

from consentmilter.globs import Glob
from consentmilter.policy.rules import OverLimit, Right, Rule
from consentmilter.service.leases import IDLE, MAX_BLOCK, SPENT_FOR, Allowance, Lease, block_of

RULE = Rule(1, "acme.security", Right((Glob.of("release-bot"),)), max_per_day=400)
DAY = 20_000


def lease(left: int = 0, block: int = 10) -> Lease:
    """A lease with so much in hand for DAY."""
    made = Lease(RULE, cap=400, block=block)
    made.take(DAY, 1, 0.0)
    made.add(DAY, left, left, 0.0)
    return made


def test_what_is_in_hand_is_used_once() -> None:
    """And then more has to be leased."""
    held = lease(left=2)
    assert [held.take(DAY, 1, 1.0) for _ in range(3)] == [Allowance.GRANTED, Allowance.GRANTED, Allowance.UNKNOWN]


def test_a_message_to_several_gets_all_or_nothing() -> None:
    """What is too little for five is left for one."""
    held = lease(left=3)
    assert held.take(DAY, 5, 1.0) is Allowance.UNKNOWN
    assert held.take(DAY, 3, 1.0) is Allowance.GRANTED


def test_a_lease_is_worth_nothing_on_the_next_day() -> None:
    """Whatever is left of it; the day before does not come back with a clock that is set back."""
    held = lease(left=5)
    assert held.take(DAY + 1, 1, 1.0) is Allowance.UNKNOWN
    held.add(DAY, 10, 10, 1.0)
    assert held.left == 0, "leased before midnight"
    held.add(DAY + 1, 10, 10, 1.0)
    assert held.take(DAY, 1, 1.0) is Allowance.GRANTED
    assert (held.day, held.left) == (DAY + 1, 9)


def test_the_limit_is_known_for_a_while_once_less_was_had_than_asked_for() -> None:
    """Then somebody else may have given something back; the next day begins anew at once."""
    held = lease()
    held.add(DAY, 10, 0, 100.0)
    assert held.take(DAY, 1, 100.0 + SPENT_FOR / 2) is Allowance.OVER_LIMIT
    assert held.ask(100.0 + SPENT_FOR / 2) == 0
    assert held.take(DAY, 1, 100.0 + SPENT_FOR) is Allowance.UNKNOWN
    held.add(DAY, 10, 0, 200.0)
    assert held.take(DAY + 1, 1, 200.0) is Allowance.UNKNOWN


def test_more_is_leased_for_those_who_wait_and_ahead_of_them() -> None:
    """A block at least; nothing while more than half a block is in hand, or nobody asked for a while."""
    held = lease(left=10)
    assert held.ask(0.0) == 0
    held.wanted = 30
    assert held.ask(0.0) == 20
    held.wanted = 11
    assert held.ask(0.0) == 10
    held.wanted = 0
    held.left = 4
    assert held.ask(0.0) == 10
    assert held.ask(IDLE) == 0


def test_a_block_of_one_is_leased_when_it_is_needed_only() -> None:
    """With a cap of one and four workers, whoever gets the mail must be able to have it."""
    held = lease(left=1, block=1)
    assert held.take(DAY, 1, 1.0) is Allowance.GRANTED
    assert held.ask(1.0) == 0


def test_what_lies_idle_is_given_back() -> None:
    """Once, and not while it is in use."""
    held = lease(left=7)
    held.take(DAY, 1, 50.0)
    assert held.give_up(50.0 + IDLE - 1, IDLE) == 0
    assert (held.give_up(50.0 + IDLE, IDLE), held.give_up(50.0 + IDLE, IDLE)) == (6, 0)


@pytest.mark.parametrize(("cap", "workers", "block"), [(1, 1, 1), (10, 4, 1), (1000, 4, 6), (10**9, 1, MAX_BLOCK)])
def test_a_block_is_small_beside_the_cap(cap: int, workers: int, block: int) -> None:
    """All workers of a node hold a twentieth at most, if the cap is large enough for a block each."""
    assert block_of(cap, workers) == block
    assert block == 1 or 2 * block * workers <= cap / 20


def test_a_rule_is_known_by_what_it_says_and_not_by_where_it_stands() -> None:
    """A rule put before it, or another cap, does not begin the count anew."""
    same = [replace(RULE, number=7), replace(RULE, max_per_day=1), replace(RULE, over_limit=OverLimit.REJECT)]
    assert {rule.fingerprint() for rule in same} == {RULE.fingerprint()}
    others = [replace(RULE, stream="acme.alerts"), replace(RULE, who=Right((Glob.of("bot"),)))]
    assert len({rule.fingerprint() for rule in [RULE, *others]}) == 3
