"""The verdict for one recipient: category, stream and facts in; verdict and reason out.

Any reason that the category does not bypass refuses, so adding a suppression never turns a refusal into an accept.
A fixed order of reasons says which one is shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consentmilter.model import REASON_RANK, Suppression, Verdict, covers
from consentmilter.policy.site import Stream


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the mail to one recipient, and why.

    `suppression` is the one that decided, or the one that was bypassed when the verdict is accept. `unverified` says
    that the store could not be asked.
    """

    verdict: Verdict
    suppression: Suppression | None = None
    unverified: bool = False

    @property
    def bypassed(self) -> bool:
        return self.verdict is Verdict.ACCEPT and self.suppression is not None

    @property
    def plain(self) -> bool:
        """Whether there is nothing to tell: no suppression, nothing bypassed, nothing unverified."""
        return self.verdict is Verdict.ACCEPT and self.suppression is None and not self.unverified


ACCEPT = Decision(Verdict.ACCEPT)


def decide(stream: Stream, suppressions: Sequence[Suppression], now: datetime) -> Decision:
    """The verdict for a recipient about whom the store says `suppressions`."""
    holding = sorted((row for row in suppressions if covers(row.scope, stream.name) and row.holds(now)), key=_rank)
    if not holding:
        return ACCEPT
    refusing = [row for row in holding if row.reason not in stream.category.bypasses]
    if not refusing:
        return Decision(Verdict.ACCEPT, holding[0])
    return Decision(stream.action, refusing[0])


def undecidable(stream: Stream) -> Decision:
    """The verdict while the store cannot be asked: exempt mail goes, everything else waits."""
    return Decision(Verdict.ACCEPT if stream.category.exempt else Verdict.DEFER, unverified=True)


def _rank(row: Suppression) -> tuple[int, int, datetime]:
    # The narrowest scope and the oldest row tell the sender most.
    return REASON_RANK[row.reason], -len(row.scope), row.created
