"""Tokens in links."""

import base64
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.errors import TokenError
from consentmilter.keys import KeyRing
from consentmilter.tokens import LENGTH, Purpose, Token, make, read, stream_hash
from tests.unit.making import ANY_TEXT, OTHER_RING, RING, examples

TOKENS = st.builds(
    Token,
    purpose=st.sampled_from(Purpose),
    subject=st.binary(min_size=16, max_size=16),
    stream=st.text("abc.", min_size=1, max_size=20).map(stream_hash),
    issued=st.dates(date(1970, 1, 1), date(2149, 6, 6)),
)
TOKEN = Token(Purpose.UNSUBSCRIBE, bytes(range(16)), stream_hash("acme.newsletter"), date(2026, 3, 1))
BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def refused(text: str, purpose: Purpose = Purpose.UNSUBSCRIBE, ring: KeyRing = RING) -> bool:
    try:
        read(text, purpose, ring)
    except TokenError:
        return True
    return False


@examples(166)
@given(TOKENS)
def test_a_token_says_what_was_put_into_it(token: Token) -> None:
    """In 52 small letters and digits, whatever it says."""
    text = make(token, RING)
    assert read(text, token.purpose, RING) == token
    assert len(text) == LENGTH == 52
    assert set(text) <= set(BASE32)


@examples(100)
@given(TOKENS, st.integers(0))
def test_any_letter_case_will_do(token: Token, cases: int) -> None:
    """Mail software and people change it."""
    text = make(token, RING)
    mixed = "".join(c.upper() if cases >> i & 1 else c for i, c in enumerate(text))
    assert read(mixed, token.purpose, RING) == read(text.upper(), token.purpose, RING) == token


def test_every_flipped_bit_is_noticed() -> None:
    """All 256 of them, for every purpose."""
    octets = base64.b32decode(make(TOKEN, RING).upper() + "====")
    accepted = []
    for bit in range(256):
        altered = bytearray(octets)
        altered[bit // 8] ^= 1 << bit % 8
        text = base64.b32encode(altered).decode("ascii").rstrip("=")
        accepted += [(bit, purpose) for purpose in Purpose if not refused(text, purpose)]
    assert accepted == []


def test_every_changed_character_is_noticed() -> None:
    """At each of the 52 places each of the 31 others, those with spare bits in the last one included."""
    text = make(TOKEN, RING)
    altered = [text[:i] + c + text[i + 1 :] for i in range(LENGTH) for c in BASE32 if c != text[i]]
    assert len(altered) == 52 * 31
    assert [each for each in altered if not refused(each)] == []


def test_only_one_spelling_of_the_last_character_is_good() -> None:
    """Its four spare bits would otherwise make 15 more tokens of each."""
    text = make(TOKEN, RING)
    octets = base64.b32decode(text.upper() + "====")
    same = [c for c in BASE32 if base64.b32decode(text[:-1].upper() + c.upper() + "====") == octets]
    assert len(same) == 16
    assert [c for c in same if not refused(text[:-1] + c)] == [text[-1]]


@pytest.mark.parametrize("made_for", Purpose)
@pytest.mark.parametrize("used_for", Purpose)
def test_a_token_is_good_for_its_purpose_only(made_for: Purpose, used_for: Purpose) -> None:
    """An unsubscribe link is no bounce address."""
    text = make(replace(TOKEN, purpose=made_for), RING)
    if made_for is used_for:
        assert read(text, used_for, RING).purpose is made_for
        return
    with pytest.raises(TokenError) as caught:
        read(text, used_for, RING)
    assert str(caught.value) == f"the token is not meant for {used_for.name.lower()}"


def test_rotating_the_key_keeps_old_links_working() -> None:
    """The new key signs, the old one still reads."""
    old = make(TOKEN, RING)
    rotated = RING.with_token_key(b"n" * 32)
    new = make(TOKEN, rotated)
    assert new != old
    assert read(old, Purpose.UNSUBSCRIBE, rotated) == read(new, Purpose.UNSUBSCRIBE, rotated) == TOKEN
    assert refused(new, ring=RING)


def test_removing_a_key_ends_its_links() -> None:
    """That is what removing it is for."""
    rotated = RING.with_token_key(b"n" * 32)
    without = replace(rotated, token={1: rotated.token[1]})
    assert refused(make(TOKEN, RING), ring=without)


def test_the_token_of_another_system_is_refused() -> None:
    """Even where the key has the same number."""
    assert refused(make(TOKEN, OTHER_RING))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a token has 52 characters"),
        ("a" * 51, "a token has 52 characters"),
        ("a" * 53, "a token has 52 characters"),
        ("ä" * 52, "a token has 52 characters"),
        ("\udcff" * 52, "a token has 52 characters"),
        ("1" * 52, "a token holds letters and the digits 2 to 7 only"),
        ("a" * 51 + " ", "a token holds letters and the digits 2 to 7 only"),
        ("a" * 51 + "=", "a token holds letters and the digits 2 to 7 only"),
        ("a" * 50 + "==", "the token was altered"),
        ("=" * 52, "a token holds letters and the digits 2 to 7 only"),
        ("a" * 51 + "b", "the token was altered"),
        ("a" * 52, "the token was not made here, or was altered"),
        ("d" + "a" * 51, "the token was not made here, or was altered"),
    ],
)
def test_what_is_no_token_is_refused(text: str, message: str) -> None:
    """The message does not say more than the sender of the token knows."""
    with pytest.raises(TokenError) as caught:
        read(text, Purpose.UNSUBSCRIBE, RING)
    assert str(caught.value) == message


@examples(166)
@given(ANY_TEXT | st.text(BASE32 + "=18 \t", min_size=52, max_size=52))
def test_garbage_is_refused_as_a_token(text: str) -> None:
    """With TokenError and nothing else."""
    assert refused(text)


def test_a_token_shows_no_address() -> None:
    """It holds the subject key, which tells nothing without the key file."""
    octets = base64.b32decode(make(TOKEN, RING).upper() + "====")
    assert octets[0] == Purpose.UNSUBSCRIBE << 5 | RING.token_current
    assert octets[1:17] == TOKEN.subject
    assert octets[17:21] == stream_hash("acme.newsletter")
    assert octets[21:23] == (date(2026, 3, 1) - date(1970, 1, 1)).days.to_bytes(2, "big")
    assert len(octets) == 32


def test_the_token_of_a_given_day_stays_the_same() -> None:
    """Links in mail that was sent work with every later version."""
    assert make(TOKEN, RING) == "aaaacaqdaqcqmbyibefawdanbyhqdn2zvbiccarnbrtcye66tcpq"
    assert stream_hash("acme.newsletter").hex() == "01b759a8"
