"""What a new statement about a person's consent changes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from consentmilter.model import ALL, Consent, ConsentState
from consentmilter.policy.consents import Said, changed_by, standing
from tests.unit.making import OPTED_OUT, consent

BEFORE, AFTER = OPTED_OUT - timedelta(days=1), OPTED_OUT + timedelta(days=1)
REQUESTED, WITHDRAWN = ConsentState.REQUESTED, ConsentState.WITHDRAWN
GRANT = consent(at=AFTER)


def after(said: Consent, *held: Consent, proven: bool = True) -> Consent | None:
    return next(iter(changed_by(Said(said, proven), held)), None)


@pytest.mark.parametrize("held", [[], [consent(state=REQUESTED)], [consent(to="acme")], [consent(to="acme.offers")]])
@pytest.mark.parametrize("proven", [True, False])
def test_a_grant_counts_where_nothing_stands_against_it(held: list[Consent], proven: bool) -> None:
    """With evidence or, from a file, without."""
    assert after(GRANT, *held, proven=proven) == GRANT


@pytest.mark.parametrize("scope", [ALL, "acme", "acme.newsletter"])
def test_a_withdrawal_gives_way_to_a_later_grant_with_evidence_of_its_own_only(scope: str) -> None:
    """A list of opt-ins that is loaded once more brings nobody back."""
    withdrawn = consent(to=scope, state=WITHDRAWN)
    assert after(GRANT, withdrawn) == GRANT
    assert after(GRANT, withdrawn, proven=False) is None
    assert after(replace(GRANT, at=OPTED_OUT), withdrawn) is None
    assert after(replace(GRANT, at=BEFORE, confirmed=True), withdrawn) is None


def test_a_grant_after_a_withdrawal_is_of_its_own_stream_only() -> None:
    """Whoever left everything in a stream and comes back to it has not come back to what is below."""
    withdrawn = consent(state=WITHDRAWN)
    held = changed_by(Said(GRANT, proven=True), [withdrawn])
    assert standing(held, "acme.newsletter") == GRANT
    below = standing(held, "acme.newsletter.weekly")
    assert below is not None
    assert (below.state, below.at) == (WITHDRAWN, withdrawn.at)
    assert standing(held, "acme.newsletters") is None
    weekly = consent(to="acme.newsletter.weekly", at=AFTER)
    assert after(weekly, *held, proven=False) is None
    assert after(weekly, *held) == weekly


def test_what_is_below_stays_withdrawn_as_long_as_the_last_withdrawal_says() -> None:
    """The second withdrawal takes the place of the first."""
    again = replace(GRANT, state=WITHDRAWN, at=AFTER + timedelta(days=1))
    [first, kept] = changed_by(Said(GRANT, proven=True), [consent(state=WITHDRAWN)])
    [second] = changed_by(Said(again, proven=True), [first, kept])
    [_, kept_again] = changed_by(Said(replace(GRANT, at=AFTER + timedelta(days=2)), proven=True), [second, kept])
    assert (kept.stream, kept_again.stream) == ("acme.newsletter.*", "acme.newsletter.*")
    assert kept_again.at == again.at > kept.at


@pytest.mark.parametrize("scope", ["acme.newsletter.weekly", "acme.news", "other"])
def test_a_withdrawal_elsewhere_does_not_matter(scope: str) -> None:
    """It covers what is below it, and nothing beside or above."""
    assert after(GRANT, consent(to=scope, state=WITHDRAWN), proven=False) == GRANT


def test_what_was_confirmed_stays_so_and_a_grant_moves_forward_only() -> None:
    """A form that was sent again makes a double opt-in no weaker, an older one no older."""
    confirmed = consent(confirmed=True)
    assert after(GRANT, confirmed) is None
    assert after(replace(GRANT, confirmed=True), confirmed) == replace(GRANT, confirmed=True)
    assert after(replace(GRANT, at=BEFORE, confirmed=True), confirmed) is None
    assert after(GRANT, consent()) == GRANT
    assert after(replace(GRANT, at=OPTED_OUT, confirmed=True), consent()) == replace(
        GRANT, at=OPTED_OUT, confirmed=True
    )
    assert after(replace(GRANT, at=BEFORE, confirmed=True), consent()) is None
    assert after(consent(), consent()) is None


@pytest.mark.parametrize("held", [[], [consent()], [consent(confirmed=True)], [consent(state=REQUESTED)]])
def test_a_withdrawal_always_counts(held: list[Consent]) -> None:
    """Whatever the person said before, or nothing."""
    withdrawal = consent(state=WITHDRAWN, at=AFTER)
    assert after(withdrawal, *held, proven=False) == withdrawal


def test_a_withdrawal_is_never_older_than_what_it_takes_back() -> None:
    """The clocks of two machines differ: the grant that came first must not win for that."""
    withdrawal = consent(to="acme", state=WITHDRAWN, at=BEFORE)
    changed = after(withdrawal, consent(), consent(to="acme.offers", at=AFTER))
    assert changed == replace(withdrawal, at=AFTER)
    assert standing([consent(), changed], "acme.newsletter") == changed


def test_a_request_changes_nothing_that_was_said() -> None:
    """To be asked is no answer, and takes none back."""
    asked = consent(state=REQUESTED, at=AFTER)
    assert after(asked) == asked
    assert after(asked, consent(state=REQUESTED)) == asked
    assert after(asked, consent()) is None
    assert after(asked, consent(state=WITHDRAWN)) is None
    assert after(asked, consent(to="acme", state=WITHDRAWN)) == asked


def test_an_address_that_is_known_stays() -> None:
    """Who confirms a link names none."""
    assert after(GRANT, consent(state=REQUESTED, address="a@x.example")) == replace(GRANT, address="a@x.example")
    assert after(replace(GRANT, address="b@x.example"), consent(address="a@x.example")) == replace(
        GRANT, address="b@x.example"
    )


def test_of_two_spellings_of_a_person_the_confirmed_and_later_grant_stands() -> None:
    """A folding that was switched on leaves rows under both keys."""
    rows = [consent(), consent("x@example.com", confirmed=True, at=BEFORE), consent(at=AFTER)]
    assert standing(rows, "acme.newsletter") == rows[1]
    assert standing([rows[0], rows[2]], "acme.newsletter") == rows[2]
