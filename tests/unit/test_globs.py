"""Patterns with `*`."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.globs import Glob, any_matches
from tests.unit.growth import grows_linearly
from tests.unit.making import examples


def naive(pattern: str, text: str) -> bool:
    """The definition: `*` stands for any run of characters, every other character for itself."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(naive(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return bool(text) and pattern[0] == text[0] and naive(pattern[1:], text[1:])


def test_every_short_pattern_says_of_every_short_text_what_the_definition_says() -> None:
    """All patterns of up to 5 characters over a, b and *, against all texts of up to 5 over a and b."""
    patterns = ["".join(p) for size in range(6) for p in itertools.product("ab*", repeat=size)]
    texts = ["".join(t) for size in range(6) for t in itertools.product("ab", repeat=size)]
    wrong = [(p, t) for p in patterns for glob in [Glob.of(p)] for t in texts if glob.matches(t) is not naive(p, t)]
    assert wrong == []


@examples(266)
@given(st.text("aab*.", max_size=9), st.text("aab.", max_size=14))
def test_longer_patterns_say_what_the_definition_says(pattern: str, text: str) -> None:
    """The same for drawn ones."""
    assert Glob.of(pattern).matches(text) is naive(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("*@News.Acme.example", "daily@news.acme.EXAMPLE", True),
        ("*@news.acme.example", "daily@xnews.acme.example", False),
        ("*@[192.0.2.1]", "a@[192.0.2.1]", True),
        ("a?c", "abc", False),
        ("a?c", "a?c", True),
        ("[ab]", "a", False),
        ("a.c", "abc", False),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),
        ("a*a", "a", False),
        ("ab*ba", "aba", False),
        ("*a*\n*", "xa\nx", True),
        ("ÄÖ*", "äöü", True),
    ],
)
def test_only_the_star_is_special_and_letter_case_does_not_matter(pattern: str, text: str, fits: bool) -> None:
    """No regular expression, no character class, no question mark."""
    assert Glob.of(pattern).matches(text) is fits


def test_one_of_several_patterns_is_enough() -> None:
    """And none of none is not."""
    globs = (Glob.of("a*"), Glob.of("b*"))
    assert any_matches(globs, "bc")
    assert not any_matches(globs, "cb")
    assert not any_matches((), "")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*a" * 25 + "*b", "a"),
        ("a*" * 25 + "b", "a"),
        ("*" + "a" * 40 + "b*", "a"),
        ("*ab*ab*ab*abc*", "ab"),
        ("*" * 200 + "b", "a"),
    ],
)
def test_the_time_of_a_match_grows_with_the_text_only(pattern: str, text: str) -> None:
    """Patterns that stop a backtracking matcher do not stop this one."""
    glob = Glob.of(pattern)
    assert not glob.matches(text * 1000)
    assert grows_linearly(glob.matches, lambda size: text * size, 10_000)


def test_the_time_of_a_match_grows_with_the_pattern_only() -> None:
    """As many stars as there are characters."""
    text = "a" * 400_000
    assert grows_linearly(lambda pattern: Glob.of(pattern).matches(text[: len(pattern)]), lambda n: "*a" * n, 20_000)
