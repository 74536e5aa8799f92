"""Which of the list fields DKIM signatures leave open."""

import pytest

from consentmilter.reports.signatures import uncovered
from tests.reports.mails import written

BOTH = "List-Unsubscribe: <https://u.example/u/x>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n"


@pytest.mark.parametrize(
    ("signatures", "left"),
    [
        ([], ("List-Unsubscribe", "List-Unsubscribe-Post")),
        (["v=1; h=from:to:list-unsubscribe:list-unsubscribe-post; b=x"], ()),
        (["v=1; h=From : List-Unsubscribe :\n\tList-Unsubscribe-Post; b=x"], ()),
        (["v=1; h=from:list-unsubscribe; b=x"], ("List-Unsubscribe-Post",)),
        (["v=1; b=x; h=from"], ("List-Unsubscribe", "List-Unsubscribe-Post")),
        (["v=1; bh=list-unsubscribe:list-unsubscribe-post; h=from"], ("List-Unsubscribe", "List-Unsubscribe-Post")),
        (["v=1; b=x"], ("List-Unsubscribe", "List-Unsubscribe-Post")),
        # One signature must cover both: two halves are no whole.
        (["h=list-unsubscribe", "h=list-unsubscribe-post"], ("List-Unsubscribe-Post",)),
        (["h=from", "h=list-unsubscribe:list-unsubscribe-post"], ()),
    ],
)
def test_the_fields_that_the_best_signature_leaves_open_are_named(signatures: list[str], left: tuple[str, ...]) -> None:
    """In the order of the standard."""
    fields = "".join(f"DKIM-Signature: {signature}\n" for signature in signatures)
    assert uncovered(written(f"{fields}{BOTH}From: a@b.example\n\nx")) == left


def test_a_second_field_of_a_name_must_be_signed_as_well() -> None:
    """A name stands in h= once for each field."""
    double = f"{BOTH}List-Unsubscribe: <https://evil.example/>\n"
    once = "DKIM-Signature: h=list-unsubscribe:list-unsubscribe-post\n"
    assert uncovered(written(f"{once}{double}\nx")) == ("List-Unsubscribe",)
    twice = "DKIM-Signature: h=list-unsubscribe:list-unsubscribe:list-unsubscribe-post\n"
    assert uncovered(written(f"{twice}{double}\nx")) == ()


def test_a_field_that_is_not_there_is_not_open() -> None:
    """There is nothing to sign."""
    assert uncovered(written("From: a@b.example\n\nx")) == ()
    assert uncovered(written("List-Unsubscribe: <mailto:a@b.example>\n\nx")) == ("List-Unsubscribe",)
