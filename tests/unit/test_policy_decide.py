"""The verdict for one recipient."""

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.model import ALL, REASON_RANK, Basis, Reason, Suppression, Verdict, covers
from consentmilter.policy.categories import Category
from consentmilter.policy.decide import ACCEPT, Decision, decide, undecidable
from consentmilter.policy.site import Stream
from tests.unit.making import NOW, OPTED_OUT, REASONS, SUPPRESSIONS, examples, stream, suppression

MARKETING = stream()
SECURITY = stream("acme.security", "security-patch")

STREAMS = st.builds(
    lambda name, bypasses, action: stream(name, Category("c", Basis.CONSENT, frozenset(bypasses)), action=action),
    st.sampled_from(["acme.newsletter", "acme.newsletter.weekly", "acme.security", "other"]),
    st.sets(REASONS),
    st.sampled_from([Verdict.REJECT, Verdict.TAG, Verdict.REMOVE, Verdict.HOLD, Verdict.DEFER]),
)
ROWS = st.lists(SUPPRESSIONS, max_size=5)


def refusing(on: Stream, rows: list[Suppression]) -> list[Suppression]:
    """The rows that refuse, by the definition."""
    return [
        row for row in rows if covers(row.scope, on.name) and row.holds(NOW) and row.reason not in on.category.bypasses
    ]


@examples(600)
@given(STREAMS, ROWS)
def test_any_reason_that_is_not_bypassed_refuses(on: Stream, rows: list[Suppression]) -> None:
    """With the stream's action, and showing the strictest of them; nothing else refuses."""
    decision = decide(on, rows, NOW)
    against = refusing(on, rows)
    if not against:
        assert decision.verdict is Verdict.ACCEPT
        return
    assert decision.verdict is on.action
    assert decision.suppression in against
    assert decision.suppression is not None
    assert decision.suppression.reason is min((row.reason for row in against), key=REASON_RANK.__getitem__)


@examples(600)
@given(STREAMS, ROWS, SUPPRESSIONS, st.integers(0, 5))
def test_one_more_suppression_never_turns_a_refusal_into_an_accept(
    on: Stream, rows: list[Suppression], more: Suppression, place: int
) -> None:
    """Wherever it stands: nothing that is added to the list lets mail through."""
    before = decide(on, rows, NOW).verdict
    after = decide(on, [*rows[:place], more, *rows[place:]], NOW).verdict
    assert after is before or before is Verdict.ACCEPT


@examples(300)
@given(STREAMS, ROWS, st.data())
def test_the_order_of_the_rows_does_not_matter(on: Stream, rows: list[Suppression], data: st.DataObject) -> None:
    """The store returns them in any."""
    shuffled = data.draw(st.permutations(rows))
    one, other = decide(on, rows, NOW), decide(on, shuffled, NOW)
    assert one.verdict is other.verdict
    assert shown(one) == shown(other)


def shown(decision: Decision) -> object:
    """What the sender is told of the suppression."""
    row = decision.suppression
    return row and (row.reason, row.scope, row.created)


@pytest.mark.parametrize("bypassed", [each for size in range(8) for each in combinations(Reason, size)])
def test_a_category_bypasses_exactly_the_reasons_it_lists(bypassed: tuple[Reason, ...]) -> None:
    """Every set of reasons, against every reason."""
    on = stream("acme.security", Category("own", Basis.CONTRACT, frozenset(bypassed)))
    refused = {reason for reason in Reason if decide(on, [suppression(reason=reason)], NOW).verdict is Verdict.REJECT}
    assert refused == set(Reason) - set(bypassed)


def test_a_bypass_is_told() -> None:
    """Every use of the exemption is journalled, with what was bypassed."""
    row = suppression(reason=Reason.COMPLAINT)
    decision = decide(SECURITY, [row], NOW)
    assert decision == Decision(Verdict.ACCEPT, row)
    assert decision.bypassed
    assert not decision.plain


def test_what_is_not_bypassed_refuses_exempt_mail_too() -> None:
    """An opt-out beside a hard bounce does not hide it."""
    rows = [suppression(reason=Reason.OBJECTION), suppression(reason=Reason.HARD_BOUNCE)]
    decision = decide(SECURITY, rows, NOW)
    assert (decision.verdict, decision.suppression) == (Verdict.REJECT, rows[1])
    assert not decision.bypassed


def test_nobody_opted_out_and_nothing_is_to_tell() -> None:
    """The plain accept."""
    assert decide(MARKETING, [], NOW) is ACCEPT
    assert decide(MARKETING, [suppression(scope="other")], NOW) is ACCEPT
    assert decide(MARKETING, [suppression(expires=NOW)], NOW) is ACCEPT
    assert ACCEPT.plain
    assert not ACCEPT.bypassed


def test_the_narrowest_scope_is_shown_and_of_these_the_oldest() -> None:
    """It tells the sender most."""
    wide = suppression(scope=ALL, created=OPTED_OUT - timedelta(days=9))
    narrow = suppression(scope="acme.newsletter")
    older = replace(narrow, created=OPTED_OUT - timedelta(days=1))
    assert decide(MARKETING, [wide, narrow, older], NOW).suppression is older
    assert decide(MARKETING, [wide, suppression(scope="acme")], NOW).suppression == suppression(scope="acme")


def test_without_the_store_marketing_waits_and_exempt_mail_goes_unverified() -> None:
    """And neither counts as plain."""
    assert undecidable(MARKETING) == Decision(Verdict.DEFER, unverified=True)
    assert undecidable(SECURITY) == Decision(Verdict.ACCEPT, unverified=True)
    assert not undecidable(SECURITY).plain
    assert not undecidable(SECURITY).bypassed
