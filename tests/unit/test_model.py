"""The words of the program as types."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.model import ALL, REASON_RANK, Reason, covers
from tests.unit.making import NOW, examples, suppression

NAMES = st.lists(st.sampled_from(["a", "b", "ab"]), min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("scope", "stream", "holds"),
    [
        (ALL, "acme.newsletter", True),
        ("acme", "acme.newsletter", True),
        ("acme.newsletter", "acme.newsletter", True),
        ("acme.newsletter", "acme.newsletter.weekly", True),
        ("acme.newsletter.weekly", "acme.newsletter", False),
        ("acme.news", "acme.newsletter", False),
        ("acme.offers", "acme.newsletter", False),
        ("other", "acme.newsletter", False),
        ("", "acme.newsletter", False),
        ("newsletter", "acme.newsletter", False),
    ],
)
def test_a_scope_covers_itself_and_all_below_it(scope: str, stream: str, holds: bool) -> None:
    """And * everything; never a neighbour with a similar name, and never the parent."""
    assert covers(scope, stream) is holds


@examples(100)
@given(NAMES, NAMES)
def test_a_scope_covers_exactly_the_streams_whose_first_parts_it_is(scope: str, stream: str) -> None:
    """Part by part, not character by character."""
    parts = scope.split(".")
    assert covers(scope, stream) is (stream.split(".")[: len(parts)] == parts)


def test_a_suppression_holds_until_it_expires() -> None:
    """At the moment of its expiry it is over; most never expire."""
    assert suppression().holds(NOW + timedelta(days=36500))
    row = suppression(expires=NOW)
    assert row.holds(NOW - timedelta(microseconds=1))
    assert not row.holds(NOW)


def test_reasons_have_an_order() -> None:
    """The strictest first: what the law or a person said before what a machine found out."""
    assert sorted(Reason, key=REASON_RANK.__getitem__) == [
        Reason.LEGAL,
        Reason.OBJECTION,
        Reason.COMPLAINT,
        Reason.UNSUBSCRIBE,
        Reason.MANUAL,
        Reason.HARD_BOUNCE,
        Reason.IMPORTED,
    ]
