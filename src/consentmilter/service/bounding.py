"""Hold exempt mail to the cap of its rule: what is beyond it is refused or waits, however good its reasons are."""

from collections.abc import Sequence

from consentmilter.model import Verdict
from consentmilter.policy.classify import Classification
from consentmilter.policy.decide import Decision
from consentmilter.service.candidate import Candidate
from consentmilter.service.desk import Desk
from consentmilter.service.leases import Allowance


def bound(desk: Desk, found: Classification, candidates: Sequence[Candidate]) -> bool:
    """Whether the recipients that may have the mail get it; all of them or none, and each is counted once."""
    rule = None if found.rule is None else desk.site.rules[found.rule - 1]
    going = [c for c in candidates if not c.counted and c.decision.verdict is Verdict.ACCEPT]
    if rule is None or rule.max_per_day is None or not going:
        return True
    for candidate in going:
        candidate.counted = True
    match desk.exempt_allowed(rule.number, len(going)):
        case Allowance.GRANTED:
            return True
        case Allowance.OVER_LIMIT:
            decision = Decision(Verdict(rule.over_limit), over_limit=True)
        case Allowance.UNKNOWN:
            decision = Decision(Verdict.DEFER, unverified=True)
    for candidate in going:
        candidate.decided = decision
    return False
