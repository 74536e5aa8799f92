"""Categories: the policy class of a stream, and the ones built in.

The exempt ones are the exceptions that senders announce in their privacy policies: security patches, mail about a
product download, licence keys, a changed policy. Exempt means that opt-outs are bypassed, not that everything is: each
lists the reasons it bypasses, and `hard_bounce` and `legal` are not among them unless the site says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from consentmilter.model import Basis, Reason, Verdict

OPT_OUTS = frozenset({Reason.UNSUBSCRIBE, Reason.COMPLAINT, Reason.OBJECTION, Reason.MANUAL, Reason.IMPORTED})
"""The reasons that an exempt category bypasses by default."""

MARKETING = "marketing"


@dataclass(frozen=True, slots=True)
class Category:
    """A policy class. `action` is what a suppression leads to; `bypasses` is empty unless it is exempt."""

    name: str
    basis: Basis
    bypasses: frozenset[Reason] = frozenset()
    action: Verdict = Verdict.REJECT
    unsubscribe_header: bool = False
    requires_consent: bool = False

    @property
    def exempt(self) -> bool:
        return bool(self.bypasses)


def _exempt(name: str, basis: Basis) -> Category:
    return Category(name, basis, bypasses=OPT_OUTS)


def _opt_out(name: str, basis: Basis) -> Category:
    return Category(name, basis, unsubscribe_header=True)


BUILT_IN: Mapping[str, Category] = {
    category.name: category
    for category in (
        _opt_out(MARKETING, Basis.CONSENT),
        _opt_out("release-announcement", Basis.LEGITIMATE_INTEREST),
        _opt_out("customer-relations", Basis.LEGITIMATE_INTEREST),
        _exempt("security-patch", Basis.LEGITIMATE_INTEREST),
        _exempt("product-download", Basis.CONTRACT),
        _exempt("licence", Basis.CONTRACT),
        _exempt("transactional", Basis.CONTRACT),
        _exempt("support", Basis.CONTRACT),
        _exempt("system-alert", Basis.LEGITIMATE_INTEREST),
        _exempt("policy-change", Basis.LEGAL_OBLIGATION),
        _exempt("community", Basis.CONTRACT),
    )
}
