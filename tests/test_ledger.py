"""The ledger's digests."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.ledger import Evidence, canonical
from consentmilter.model import Assertion, Reason
from tests.files import rows_digest

SALT = bytes(range(16))
SAID = Assertion(b"s" * 16, "a@x.example", "acme", Reason.UNSUBSCRIBE)
DAY = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_commitment_stays_the_same_whatever_the_order_of_the_fields() -> None:
    """Evidence that was written, stored as JSON and read back still fits its entry."""
    one = Evidence(SALT, {"address": "a@x", "evidence": "said so"})
    other = Evidence(SALT, {"evidence": "said so", "address": "a@x"})
    assert one.commitment() == other.commitment()


def test_a_commitment_is_the_one_that_older_ledgers_hold() -> None:
    """The encoding never changes: entries outlive the program that wrote them."""
    assert canonical({"evidence": 'said "ü"', "address": "a@x"}) == b'{"address":"a@x","evidence":"said \\"\\u00fc\\""}'
    evidence = Evidence(SALT, {"address": "a@x.example"})
    assert evidence.commitment().hex() == "7752d4825ca2a215a928b5182c5aa466c0faf2251bd381628a2a847f97f62b04"


@pytest.mark.parametrize(
    "other",
    [
        Evidence(bytes(16), {"address": "a@x"}),
        Evidence(SALT, {"address": "b@x"}),
        Evidence(SALT, {"evidence": "a@x"}),
        Evidence(SALT, {}),
    ],
)
def test_other_evidence_has_another_commitment(other: Evidence) -> None:
    """Salt, names and values all count."""
    assert other.commitment() != Evidence(SALT, {"address": "a@x"}).commitment()


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_salt_of_another_length_is_refused(length: int) -> None:
    """Else salt and data could be shifted against each other under one commitment."""
    with pytest.raises(ValueError, match="16 octets"):
        Evidence(bytes(length), {}).commitment()


@given(text=st.text(st.characters(categories=["Cs", "Cc", "L"])))
def test_any_text_can_be_committed_to(text: str) -> None:
    """Surrogates, as the mail server's odd octets come, are no reason to fail."""
    assert len(Evidence(SALT, {"evidence": text}).commitment()) == 32


def test_the_digest_of_rows_does_not_depend_on_their_order() -> None:
    """A chunk is a set of statements."""
    rows = [replace(SAID, subject=bytes([n]) * 16) for n in range(5)]
    assert rows_digest(rows) == rows_digest(reversed(rows))


@pytest.mark.parametrize(
    "other",
    [
        replace(SAID, subject=b"t" * 16),
        replace(SAID, scope="acme.news"),
        replace(SAID, reason=Reason.COMPLAINT),
        replace(SAID, at=DAY),
        replace(SAID, expires=DAY),
    ],
)
def test_other_rows_have_another_digest(other: Assertion) -> None:
    """Subject, scope, reason and both times count."""
    assert rows_digest([other]) != rows_digest([SAID])
    assert rows_digest([SAID, other]) != rows_digest([SAID])


def test_personal_fields_are_not_in_the_digest_of_rows() -> None:
    """It must stay true after an address was erased."""
    assert rows_digest([replace(SAID, address=None, evidence="x")]) == rows_digest([SAID])


@given(
    scopes=st.lists(st.text(st.characters(categories=["Cs", "Cc", "L", "Zs"]), max_size=6), max_size=4, unique=True),
    others=st.lists(st.text(st.characters(categories=["Cs", "Cc", "L", "Zs"]), max_size=6), max_size=4, unique=True),
)
def test_no_two_different_sets_of_rows_share_a_digest(scopes: list[str], others: list[str]) -> None:
    """Not even where a scope holds newlines and spaces."""
    same = rows_digest(replace(SAID, scope=s) for s in scopes) == rows_digest(replace(SAID, scope=s) for s in others)
    assert same == (set(scopes) == set(others))
