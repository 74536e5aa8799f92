"""The verdict for one recipient."""

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.model import ALL, REASON_RANK, Basis, Consent, ConsentState, Reason, Suppression, Verdict, covers
from consentmilter.policy.categories import Category
from consentmilter.policy.consents import Lack
from consentmilter.policy.decide import ACCEPT, Decision, decide, undecidable
from consentmilter.policy.facts import Facts, shared_out
from consentmilter.policy.site import Stream
from tests.unit.making import NOW, OPTED_OUT, REASONS, SUPPRESSIONS, consent, examples, stream, suppression

REQUESTED, WITHDRAWN = ConsentState.REQUESTED, ConsentState.WITHDRAWN

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


@examples(200)
@given(STREAMS, ROWS)
def test_any_reason_that_is_not_bypassed_refuses(on: Stream, rows: list[Suppression]) -> None:
    """With the stream's action, and showing the strictest of them; nothing else refuses."""
    decision = decide(on, Facts(rows), NOW)
    against = refusing(on, rows)
    if not against:
        assert decision.verdict is Verdict.ACCEPT
        return
    assert decision.verdict is on.action
    assert decision.suppression in against
    assert decision.suppression is not None
    assert decision.suppression.reason is min((row.reason for row in against), key=REASON_RANK.__getitem__)


@examples(200)
@given(STREAMS, ROWS, SUPPRESSIONS, st.integers(0, 5))
def test_one_more_suppression_never_turns_a_refusal_into_an_accept(
    on: Stream, rows: list[Suppression], more: Suppression, place: int
) -> None:
    """Wherever it stands: nothing that is added to the list lets mail through."""
    before = decide(on, Facts(rows), NOW).verdict
    after = decide(on, Facts([*rows[:place], more, *rows[place:]]), NOW).verdict
    assert after is before or before is Verdict.ACCEPT


@examples(100)
@given(STREAMS, ROWS, st.data())
def test_the_order_of_the_rows_does_not_matter(on: Stream, rows: list[Suppression], data: st.DataObject) -> None:
    """The store returns them in any."""
    shuffled = data.draw(st.permutations(rows))
    one, other = decide(on, Facts(rows), NOW), decide(on, Facts(shuffled), NOW)
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
    refused = {
        reason for reason in Reason if decide(on, Facts([suppression(reason=reason)]), NOW).verdict is Verdict.REJECT
    }
    assert refused == set(Reason) - set(bypassed)


def test_a_bypass_is_told() -> None:
    """Every use of the exemption is journalled, with what was bypassed."""
    row = suppression(reason=Reason.COMPLAINT)
    decision = decide(SECURITY, Facts([row]), NOW)
    assert decision == Decision(Verdict.ACCEPT, row)
    assert decision.bypassed
    assert not decision.plain


def test_what_is_not_bypassed_refuses_exempt_mail_too() -> None:
    """An opt-out beside a hard bounce does not hide it."""
    rows = [suppression(reason=Reason.OBJECTION), suppression(reason=Reason.HARD_BOUNCE)]
    decision = decide(SECURITY, Facts(rows), NOW)
    assert (decision.verdict, decision.suppression) == (Verdict.REJECT, rows[1])
    assert not decision.bypassed


def test_nobody_opted_out_and_nothing_is_to_tell() -> None:
    """The plain accept."""
    assert decide(MARKETING, Facts([]), NOW) is ACCEPT
    assert decide(MARKETING, Facts([suppression(scope="other")]), NOW) is ACCEPT
    assert decide(MARKETING, Facts([suppression(expires=NOW)]), NOW) is ACCEPT
    assert ACCEPT.plain
    assert not ACCEPT.bypassed


def test_the_narrowest_scope_is_shown_and_of_these_the_oldest() -> None:
    """It tells the sender most."""
    wide = suppression(scope=ALL, created=OPTED_OUT - timedelta(days=9))
    narrow = suppression(scope="acme.newsletter")
    older = replace(narrow, created=OPTED_OUT - timedelta(days=1))
    assert decide(MARKETING, Facts([wide, narrow, older]), NOW).suppression is older
    assert decide(MARKETING, Facts([wide, suppression(scope="acme")]), NOW).suppression == suppression(scope="acme")


REQUIRING = stream(requires_consent=True)
OTHER_DAY = OPTED_OUT + timedelta(days=1)


@pytest.mark.parametrize(
    ("held", "lack"),
    [
        ([], Lack.NO_CONSENT),
        ([consent(state=REQUESTED)], Lack.NO_CONSENT),
        ([consent(to="acme")], Lack.NO_CONSENT),
        ([consent(to="acme.newsletter.weekly")], Lack.NO_CONSENT),
        ([consent(to="acme.security")], Lack.NO_CONSENT),
        ([consent(to="acme.news")], Lack.NO_CONSENT),
        ([consent(state=WITHDRAWN)], Lack.WITHDRAWN),
        ([consent(), consent(to="acme", state=WITHDRAWN)], Lack.WITHDRAWN),
        ([consent(), consent(to=ALL, state=WITHDRAWN)], Lack.WITHDRAWN),
        ([consent(), consent(to="acme.newsletter.weekly", state=WITHDRAWN, at=OTHER_DAY)], None),
        ([consent(), consent(to="acme.news", state=WITHDRAWN, at=OTHER_DAY)], None),
        ([consent(at=OTHER_DAY), consent(to="acme", state=WITHDRAWN)], None),
        ([consent()], None),
    ],
)
def test_a_stream_that_requires_consent_asks_for_a_grant_of_exactly_its_own(
    held: list[Consent], lack: Lack | None
) -> None:
    """Neither the streams around it count nor a mere request; a withdrawal covers what is below, but no later grant."""
    decision = decide(REQUIRING, Facts((), held), NOW)
    assert (decision.verdict, decision.lack) == (Verdict.REJECT if lack else Verdict.ACCEPT, lack)
    assert decision.reason == lack
    assert decision.plain == (lack is None)


def test_a_withdrawal_is_told_with_its_scope_and_time() -> None:
    """Which is more than that there is no consent."""
    row = consent(to="acme", state=WITHDRAWN)
    decision = decide(REQUIRING, Facts((), [consent(), row]), NOW)
    assert (decision.consent, decision.scope, decision.since) == (row, "acme", OPTED_OUT)
    nothing = decide(REQUIRING, Facts(), NOW)
    assert (nothing.consent, nothing.scope, nothing.since) == (None, None, None)


@pytest.mark.parametrize("scope", [ALL, "acme", "acme.newsletter"])
def test_a_withdrawal_refuses_what_requires_no_consent_too(scope: str) -> None:
    """Who takes their consent back wants the mail no more, on whatever basis it was sent."""
    held = [consent(to=scope, state=WITHDRAWN)]
    assert decide(MARKETING, Facts((), held), NOW).reason is Lack.WITHDRAWN
    assert decide(stream("other"), Facts((), [consent(to="acme", state=WITHDRAWN)]), NOW) is ACCEPT


def test_exempt_mail_that_requires_no_consent_is_untouched_by_it() -> None:
    """A security patch is no matter of consent; if the site says that it is, it is."""
    held = [consent(to=ALL, state=WITHDRAWN)]
    assert decide(SECURITY, Facts((), held), NOW) is ACCEPT
    strict = stream("acme.security", "security-patch", requires_consent=True)
    assert decide(strict, Facts((), held), NOW).reason is Lack.WITHDRAWN
    assert decide(strict, Facts(), NOW).reason is Lack.NO_CONSENT


def test_the_action_of_the_stream_is_that_of_a_missing_consent() -> None:
    """A stream that tags or holds does so here as well."""
    for action in (Verdict.TAG, Verdict.REMOVE, Verdict.HOLD, Verdict.DEFER):
        assert decide(stream(requires_consent=True, action=action), Facts(), NOW).verdict is action


def test_a_suppression_is_shown_before_a_missing_consent() -> None:
    """That the person said no tells the sender more."""
    row = suppression()
    assert decide(REQUIRING, Facts([row]), NOW) == Decision(Verdict.REJECT, row)


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("on", [MARKETING, REQUIRING])
def test_a_later_confirmed_opt_in_outdoes_unsubscribe_and_imported_only(on: Stream, reason: Reason) -> None:
    """What a person said they can take back; not what an authority, a mailbox or a complaint said."""
    row = suppression(scope="acme", reason=reason)
    opt_in = consent(confirmed=True, at=OTHER_DAY)
    decision = decide(on, Facts([row], [opt_in], {row.subject}), NOW)
    if reason in (Reason.UNSUBSCRIBE, Reason.IMPORTED):
        assert decision == Decision(Verdict.ACCEPT, row, consent=opt_in)
        assert decision.opted_in
        assert not decision.bypassed
        assert not decision.plain
    else:
        assert decision == Decision(Verdict.REJECT, row)


@pytest.mark.parametrize(
    "opt_in",
    [
        consent(at=OTHER_DAY),
        consent(confirmed=True),
        consent(confirmed=True, at=OPTED_OUT - timedelta(days=1)),
        consent(confirmed=True, at=OTHER_DAY, to="acme"),
        consent(confirmed=True, at=OTHER_DAY, to="acme.newsletter.weekly"),
        consent(confirmed=True, at=OTHER_DAY, to="acme.security"),
        consent(confirmed=True, at=OTHER_DAY, state=REQUESTED),
    ],
)
def test_no_other_opt_in_outdoes_an_opt_out(opt_in: Consent) -> None:
    """Not an unconfirmed one, not one that is no later, not one to another stream."""
    row = suppression(scope="acme.newsletter")
    assert decide(MARKETING, Facts([row], [opt_in], {row.subject}), NOW) == Decision(Verdict.REJECT, row)


def test_an_opt_out_that_was_repeated_since_is_not_outdone() -> None:
    """The last word counts, and the list keeps one row for both clicks."""
    opt_in = consent(confirmed=True, at=OTHER_DAY)
    again = suppression(asserted_again=True, repeated=OTHER_DAY)
    assert decide(MARKETING, Facts([again], [opt_in], {again.subject}), NOW) == Decision(Verdict.REJECT, again)
    before = replace(again, repeated=OTHER_DAY - timedelta(seconds=1))
    assert decide(MARKETING, Facts([before], [opt_in], {again.subject}), NOW).verdict is Verdict.ACCEPT


def test_the_opt_out_of_a_whole_domain_is_not_a_persons_to_take_back() -> None:
    """Whoever speaks for the domain said so."""
    row = suppression("example.com")
    opt_in = consent(confirmed=True, at=OTHER_DAY)
    assert decide(MARKETING, Facts([row], [opt_in], {opt_in.subject}), NOW) == Decision(Verdict.REJECT, row)


def test_of_two_reasons_the_one_that_is_not_outdone_refuses() -> None:
    """A complaint beside the opt-out."""
    rows = [suppression(), suppression(reason=Reason.COMPLAINT)]
    opt_in = consent(confirmed=True, at=OTHER_DAY)
    assert decide(MARKETING, Facts(rows, [opt_in], {opt_in.subject}), NOW) == Decision(Verdict.REJECT, rows[1])


def test_an_exempt_category_bypasses_what_an_opt_in_outdoes_as_well() -> None:
    """And tells it as it always did."""
    row = suppression()
    opt_in = consent(to="acme.security", confirmed=True, at=OTHER_DAY)
    assert decide(SECURITY, Facts([row], [opt_in], {row.subject}), NOW).bypassed


def test_the_facts_are_shared_out_by_whose_they_are() -> None:
    """Suppressions by all keys of a person, consents by their own."""
    rows = [suppression("a@example.com"), suppression("example.com"), suppression("b@example.net")]
    held = [consent("a@example.com"), consent("b@example.net")]
    domain, own = rows[1].subject, frozenset({rows[0].subject})
    parts = list(shared_out(Facts(rows, held), [([rows[0].subject, domain], own), ([domain], frozenset())]))
    assert parts == [Facts(rows[:2], held[:1], own), Facts([rows[1]], [], frozenset())]


def test_without_the_store_marketing_waits_and_exempt_mail_goes_unverified() -> None:
    """And neither counts as plain."""
    assert undecidable(MARKETING) == Decision(Verdict.DEFER, unverified=True)
    assert undecidable(SECURITY) == Decision(Verdict.ACCEPT, unverified=True)
    assert not undecidable(SECURITY).plain
    assert not undecidable(SECURITY).bypassed
