"""Undo tokens: what `make` makes, `read` reads for half an hour, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter import tokens, undo
from consentmilter.errors import TokenError
from consentmilter.tokens import Purpose
from consentmilter.undo import VALID, Undo
from tests.store.support import person
from tests.web.pages_site import NOON, RING, token

CLICK = Undo(person(1), ("acme.newsletter", "acme.offers"), NOON)
TEXT = undo.make(CLICK, RING)

scopes = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=51), min_size=1, max_size=5
)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - in UTC


@settings(max_examples=50)
@given(st.binary(min_size=16, max_size=16), scopes, times)
def test_what_was_made_is_read(subject: bytes, names: list[str], at: datetime) -> None:
    """Subject, scopes and the second of the click come back."""
    click = Undo(subject, tuple(names), at.replace(microsecond=0))
    assert undo.read(undo.make(click, RING), RING, click.at) == click


def test_it_is_good_for_half_an_hour() -> None:
    """To the second."""
    assert timedelta(minutes=30) == VALID
    assert undo.read(TEXT, RING, NOON + VALID - timedelta(seconds=1)) == CLICK
    with pytest.raises(TokenError, match="over"):
        undo.read(TEXT, RING, NOON + VALID)


def test_every_altered_character_is_noticed() -> None:
    """Whatever stands in its place."""
    for at in range(len(TEXT)):
        other = "A" if TEXT[at] != "A" else "B"
        with pytest.raises(TokenError):
            undo.read(TEXT[:at] + other + TEXT[at + 1 :], RING, NOON)


@pytest.mark.parametrize("text", ["", "A", "AAAA", "é" * 40, TEXT[:-1], TEXT + "A", TEXT + "=", f" {TEXT}", "A" * 4000])
def test_what_is_no_token_is_refused(text: str) -> None:
    """Short, long, padded, not ASCII."""
    with pytest.raises(TokenError):
        undo.read(text, RING, NOON)


def test_another_ring_does_not_know_it() -> None:
    """Neither one with another secret, nor one without that number."""
    for keys in ({1: b"x" * 32}, {2: RING.token[1]}):
        with pytest.raises(TokenError, match="not made here"):
            undo.read(TEXT, replace(RING, token_current=min(keys), token=keys), NOON)


def test_a_new_token_key_leaves_it_good() -> None:
    """As long as the old one stands in the file."""
    assert undo.read(TEXT, RING.with_token_key(b"n" * 32), NOON) == CLICK


def test_it_is_no_link_and_a_link_is_no_undo() -> None:
    """Each for its purpose only, even one that says undo in the other's form."""
    with pytest.raises(TokenError):
        tokens.read(TEXT, Purpose.UNDO, RING)
    for purpose in Purpose:
        with pytest.raises(TokenError):
            undo.read(token(purpose=purpose), RING, NOON)
