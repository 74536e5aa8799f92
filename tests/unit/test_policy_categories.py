"""The built-in categories."""

import pytest

from consentmilter.model import Basis, Reason, Verdict
from consentmilter.policy.categories import BUILT_IN, OPT_OUTS

PROMISED = {
    "marketing": (False, Basis.CONSENT),
    "release-announcement": (False, Basis.LEGITIMATE_INTEREST),
    "customer-relations": (False, Basis.LEGITIMATE_INTEREST),
    "security-patch": (True, Basis.LEGITIMATE_INTEREST),
    "product-download": (True, Basis.CONTRACT),
    "licence": (True, Basis.CONTRACT),
    "transactional": (True, Basis.CONTRACT),
    "support": (True, Basis.CONTRACT),
    "system-alert": (True, Basis.LEGITIMATE_INTEREST),
    "policy-change": (True, Basis.LEGAL_OBLIGATION),
    "community": (True, Basis.CONTRACT),
}
"""What senders promise in their privacy policies: exempt or not, and on which legal basis."""


def test_the_categories_that_senders_promise_are_built_in_and_no_others() -> None:
    """An exception that nobody announced is none."""
    assert set(BUILT_IN) == set(PROMISED)
    assert all(name == category.name for name, category in BUILT_IN.items())


@pytest.mark.parametrize("name", PROMISED)
def test_each_category_is_exempt_or_not_as_promised_and_has_its_basis(name: str) -> None:
    """Mail with an opt-out gets the header for it, exempt mail does not."""
    category = BUILT_IN[name]
    assert (category.exempt, category.basis) == PROMISED[name]
    assert category.unsubscribe_header is not category.exempt
    assert category.action is Verdict.REJECT


def test_exempt_means_that_opt_outs_are_bypassed_and_nothing_else() -> None:
    """A dead mailbox stays dead, and what the law forbids stays forbidden."""
    assert set(Reason) - {Reason.HARD_BOUNCE, Reason.LEGAL} == OPT_OUTS
    assert all(category.bypasses in (frozenset(), OPT_OUTS) for category in BUILT_IN.values())
