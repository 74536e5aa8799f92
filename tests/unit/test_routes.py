"""The first pass's statement for the second."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.errors import TokenError
from consentmilter.keys import KeyRing
from consentmilter.routes import LIFETIME, Route, make, read
from tests.unit.making import ANY_TEXT, FROM_THE_MTA, NOW, OTHER_RING, RING, examples

SENDER = "news@acme.example"
MESSAGE_ID = "<1@acme.example>"
ROUTE = Route("acme.newsletter", "login", NOW)

ROUTES = st.builds(
    Route,
    stream=st.none() | st.sampled_from(["acme.newsletter", "acme", "bulk"]),
    right=st.sampled_from(["", "login", "client", "listener"]),
    at=st.integers(-1_000_000, 200).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)


def refusal(
    value: str, sender: str = SENDER, message_id: str | None = MESSAGE_ID, ring: KeyRing = RING, now: datetime = NOW
) -> str:
    with pytest.raises(TokenError) as caught:
        read(value, sender, message_id, ring, now)
    return str(caught.value)


@examples(133)
@given(ROUTES, FROM_THE_MTA, st.none() | FROM_THE_MTA)
def test_a_route_says_what_the_first_pass_found(route: Route, sender: str, message_id: str | None) -> None:
    """Whatever octets sender and Message-ID hold; in plain ASCII on one short line."""
    value = make(route, sender, message_id, RING)
    assert read(value, sender, message_id, RING, NOW) == route
    assert value.isascii()
    assert value.isprintable()
    assert len(value) < 200


def test_a_longest_stream_name_still_fits_a_line() -> None:
    """RFC 5322 2.1.1 recommends 78, and Postfix folds nothing below 998."""
    assert len(make(Route("a" * 51, "listener", NOW), SENDER, MESSAGE_ID, RING)) < 998


@examples(266)
@given(st.data())
def test_any_alteration_is_refused_or_means_the_same(data: st.DataObject) -> None:
    """Blanks may change on the way; nothing that is said may."""
    value = make(ROUTE, SENDER, MESSAGE_ID, RING)
    place = data.draw(st.integers(0, len(value) - 1))
    new = data.draw(st.text(st.sampled_from(" ;=-abcklogin.0123456789\n\t") | st.characters(), max_size=2))
    altered = value[:place] + new + value[place + 1 :]
    try:
        assert read(altered, SENDER, MESSAGE_ID, RING, NOW) == ROUTE
    except TokenError:
        return


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ("stream=acme.newsletter", "stream=acme.security"),
        ("stream=acme.newsletter", "stream=-"),
        ("right=login", "right=listener"),
        ("right=login", "right="),
        (f"t={int(NOW.timestamp())}", f"t={int(NOW.timestamp()) + 1}"),
        ("id=yes", "id=no"),
        ("id=yes", "id=perhaps"),
    ],
)
def test_each_part_of_the_statement_is_under_the_tag(part: str, other: str) -> None:
    """Stream, right, time, and whether there was a Message-ID."""
    value = make(ROUTE, SENDER, MESSAGE_ID, RING)
    assert part in value
    assert refusal(value.replace(part, other)) == "the route was not made for this message"


def test_a_statement_that_is_added_does_not_count() -> None:
    """Only what is under the tag does, wherever it stands."""
    value = make(ROUTE, SENDER, MESSAGE_ID, RING)
    assert refusal(value + "; stream=acme.security") == "the route was not made for this message"
    assert read(f"stream=acme.security; {value}", SENDER, MESSAGE_ID, RING, NOW) == ROUTE


def test_a_route_is_good_for_its_message_only() -> None:
    """Another sender or another Message-ID is another message."""
    value = make(ROUTE, SENDER, MESSAGE_ID, RING)
    wrong = "the route was not made for this message"
    assert refusal(value, sender="other@acme.example") == wrong
    assert refusal(value, message_id="<2@acme.example>") == wrong
    assert refusal(value, message_id=None) == wrong
    assert refusal(value, sender=SENDER + MESSAGE_ID, message_id="") == wrong


def test_a_message_id_that_postfix_adds_between_the_passes_does_no_harm() -> None:
    """Local mail may come without; the field says that there was none."""
    value = make(ROUTE, SENDER, None, RING)
    assert read(value, SENDER, "<added@mx.example>", RING, NOW) == read(value, SENDER, None, RING, NOW) == ROUTE


def test_another_key_is_refused_and_an_older_one_is_not() -> None:
    """Mail may wait in the queue while the key is rotated."""
    value = make(ROUTE, SENDER, MESSAGE_ID, RING)
    assert refusal(value, ring=OTHER_RING) == "the route was not made for this message"
    rotated = RING.with_token_key(b"n" * 32)
    assert read(value, SENDER, MESSAGE_ID, rotated, NOW) == ROUTE
    assert refusal(make(ROUTE, SENDER, MESSAGE_ID, rotated)) == "the route was made with the unknown key 1"


def test_a_route_has_its_time() -> None:
    """Longer than any queue lifetime in use, and a clock may be a little off."""
    value = make(ROUTE, SENDER, MESSAGE_ID, RING)
    second = timedelta(seconds=1)
    assert read(value, SENDER, MESSAGE_ID, RING, NOW + LIFETIME - second) == ROUTE
    assert refusal(value, now=NOW + LIFETIME) == "the route is out of its time"
    assert read(value, SENDER, MESSAGE_ID, RING, NOW - timedelta(minutes=5) + second) == ROUTE
    assert refusal(value, now=NOW - timedelta(minutes=5)) == "the route is out of its time"


def test_the_time_counts_in_whole_seconds() -> None:
    """What the field cannot hold is not signed either."""
    route = Route("acme", "", NOW.replace(microsecond=999_999))
    assert read(make(route, SENDER, None, RING), SENDER, None, RING, NOW).at == NOW.replace(microsecond=0)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ";",
        "stream",
        "stream=a",
        "stream=a; right=; t=0; k=0; id=yes",
        "stream=a; right=; t=x; k=0; id=yes; tag=",
        "stream=a; right=; t=0; k=x; id=yes; tag=",
        f"stream=a; right=; t={'9' * 30}; k=0; id=yes; tag=",
        f"stream=a; right=; t={'9' * 5000}; k=0; id=yes; tag=",
        f"stream=a; right=; t=-{'9' * 30}; k=0; id=yes; tag=",
    ],
)
def test_what_is_no_route_cannot_be_read(value: str) -> None:
    """Missing parts, numbers that are none, times beyond all calendars."""
    assert refusal(value) == "the route cannot be read"


@pytest.mark.parametrize("odd", [chr(0xDCFF), chr(0xD800), "ä", "\x00"])
def test_odd_characters_are_refused_wherever_they_stand(odd: str) -> None:
    """Lone surrogates have an encoding too."""
    statement = f"stream={odd}; right={odd}; t={int(NOW.timestamp())}; k=0; id=yes; tag={odd}"
    assert refusal(statement) == "the route was not made for this message"
    assert refusal(statement, sender=odd, message_id=odd) == "the route was not made for this message"


@examples(200)
@given(
    ANY_TEXT | st.lists(ANY_TEXT, max_size=7).map("; ".join),
    ANY_TEXT,
    st.none() | ANY_TEXT,
    st.integers(-10_000, 10_000).map(lambda days: NOW + timedelta(days=days)),
)
def test_garbage_is_refused_as_a_route(value: str, sender: str, message_id: str | None, now: datetime) -> None:
    """With TokenError and nothing else."""
    with pytest.raises(TokenError):
        read(value, sender, message_id, RING, now)
