"""The header of a message file, as Postfix would read it."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.cli.letter import header_fields
from tests.unit.growth import grows_linearly


def fields(octets: bytes) -> list[tuple[str, str]]:
    return header_fields(io.BytesIO(octets))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_header_is_fields_up_to_an_empty_line(end: bytes) -> None:
    """The body has none, whatever stands in it."""
    lines = [b"From: a@x.example", b"Subject:no blank", b"X-Empty:", b"", b"X-Body: no"]
    assert fields(end.join(lines)) == [("From", "a@x.example"), ("Subject", "no blank"), ("X-Empty", "")]


def test_folds_stay_as_they_are() -> None:
    """With a line feed and the blanks, as the milter gets them; one blank behind the colon is Postfix's."""
    assert fields(b"X-A:  one\r\n\ttwo\r\n  three\r\nX-B:\r\n four\r\n") == [
        ("X-A", " one\n\ttwo\n  three"),
        ("X-B", "\n four"),
    ]


@pytest.mark.parametrize(
    ("octets", "names"),
    [
        (b"", []),
        (b"\nX-A: b\n", []),
        (b" X-A: b\nX-B: c\n", []),
        (b"no field\nX-A: b\n", []),
        (b"X-A: b\nno field\nX-B: c\n", ["X-A"]),
        (b"X-A : b\nX-B\t :c\n", ["X-A", "X-B"]),
        (b"X A: b\n", []),
        (b": b\n", []),
        (b"X-Caf\xc3\xa9: b\n", []),
        (b"X-A\x00: b\n", []),
        (b"From a@x.example Mon Feb  2 2026\nX-A: b\n", ["X-A"]),
        (b">From a@x.example\nfrom b@x.example\nX-A: b\n", ["X-A"]),
        (b"X-A: b\nFrom a@x.example\nX-B: c\n", ["X-A"]),
        (b"x-a: b\nX-A: c\nx-A: d", ["x-a", "X-A", "x-A"]),
    ],
)
def test_what_is_no_field_ends_the_header(octets: bytes, names: list[str]) -> None:
    """But for the line that mailboxes begin with."""
    assert [name for name, _ in fields(octets)] == names


def test_odd_octets_are_kept_as_surrogates() -> None:
    """As pymilter hands them over; a NUL ends the value, since the milter protocol has such strings."""
    assert fields("X-A: é\n".encode() + b"X-B: \xe9\nX-C: a\0b\n c\n") == [
        ("X-A", "é"),
        ("X-B", "\udce9"),
        ("X-C", "a"),
    ]


def test_the_body_is_not_read() -> None:
    """What comes behind the header may be of any size."""
    file = io.BytesIO(b"X-A: b\n\n" + b"body\n" * 1000)
    assert header_fields(file) == [("X-A", "b")]
    assert file.read(5) == b"body\n"


@given(
    st.binary(max_size=300)
    | st.lists(st.sampled_from([b"A:", b" ", b"\t", b"\n", b"\r", b"\0", b"x", b":", b"From "])).map(b"".join)
)
def test_any_octets_are_read(octets: bytes) -> None:
    """Names are what Postfix takes for such, values have no line end but folds."""
    for name, value in fields(octets):
        assert name.isascii()
        assert not set(name) & set(": \t\r\n\0")
        assert "\0" not in value
        assert all(line[:1] in (" ", "\t") for line in value.split("\n")[1:])


@pytest.mark.parametrize("line", [b"X-A: b\n", b" fold\n", b"X" * 100, b"\n"])
def test_time_grows_with_the_message(line: bytes) -> None:
    """A field of many folds included."""
    assert grows_linearly(fields, lambda size: b"X-A: b\n" + line * (size // len(line)), 50_000)
