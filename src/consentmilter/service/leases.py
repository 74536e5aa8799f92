"""What one worker may still let through of a rule's cap a day, without asking anybody.

A worker leases the cap in small blocks: what it holds counts as used, so that however many workers on however many
nodes there are, no more goes out than the cap says. A lease is of one day (UTC) and worth nothing on the next. Pure
state, without lock and clock; `consentmilter.service.exemptions` has both.
"""

from dataclasses import dataclass
from enum import Enum

from consentmilter.policy.rules import Rule

MAX_BLOCK = 100
"""At 1000 messages a second a block lasts 0.1 seconds, many times what it takes to lease the next one."""

SPENT_FOR = 5.0
"""Seconds until a worker asks again that was told that there is no more: others give back what they do not need."""

IDLE = 10.0
"""Seconds after which what is not used is given back."""


class Allowance(Enum):
    """Whether mail of an exempt stream may go, as far as the cap of its rule is concerned."""

    GRANTED = "granted"
    OVER_LIMIT = "over-limit"
    UNKNOWN = "unknown"
    """Nothing is in hand, and the store does not say whether there is more."""


def block_of(max_per_day: int, workers: int) -> int:
    """How much a worker leases at once: together they hold a twentieth of the cap at most, and one each at least."""
    return max(1, min(MAX_BLOCK, max_per_day // (40 * workers)))


@dataclass(slots=True)
class Lease:
    """What is in hand of one rule's cap. Times are in seconds of a clock that only goes forward."""

    rule: Rule
    cap: int
    block: int
    day: int = -1
    left: int = 0
    wanted: int = 0
    spent_until: float = 0.0
    used_at: float = 0.0

    def take(self, day: int, people: int, at: float) -> Allowance:
        """Use it for so many people, or for none of them; UNKNOWN if more has to be leased first."""
        if day > self.day:
            self.day, self.left, self.spent_until = day, 0, 0.0
        self.used_at = at
        # A message that began before midnight, answered behind it, is one of the day that has begun.
        if self.left >= people:
            self.left -= people
            return Allowance.GRANTED
        return Allowance.OVER_LIMIT if at < self.spent_until else Allowance.UNKNOWN

    def ask(self, at: float) -> int:
        """How much to lease now: for those who wait, or ahead of them once half a block is used."""
        if at < self.spent_until:
            return 0
        if self.wanted > self.left:
            return max(self.block, self.wanted - self.left)
        return self.block if at - self.used_at < IDLE and self.left < self.block // 2 else 0

    def add(self, day: int, asked: int, granted: int, at: float) -> None:
        """Take in what was leased for that day."""
        if day != self.day:
            return
        self.left += granted
        self.wanted = 0
        if granted < asked:
            self.spent_until = at + SPENT_FOR

    def give_up(self, at: float, idle: float) -> int:
        """Let go of what was not used for `idle` seconds, and say how much that is."""
        if at - self.used_at < idle:
            return 0
        left, self.left = self.left, 0
        return left
