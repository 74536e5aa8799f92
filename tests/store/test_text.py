"""Text from outside, on its way into a database."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.store.text import printable


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("Grüße", "Grüße"),
        ("\udcff\udc00", "\\udcff\\udc00"),
        ("a\0b", "a\\x00b"),
        ("a\nb", "a\nb"),
        ("", ""),
    ],
)
def test_only_what_databases_refuse_is_escaped(text: str, stored: str) -> None:
    """Surrogates and NUL; all else stays as it is."""
    assert printable(text) == stored


@given(text=st.text(st.characters()))
def test_a_database_takes_whatever_comes_out(text: str) -> None:
    """And gives it back as it was."""
    connection = sqlite3.connect(":memory:")
    try:
        assert connection.execute("SELECT ?", (printable(text),)).fetchone() == (printable(text),)
    finally:
        connection.close()
