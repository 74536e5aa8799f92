"""The format of a file, from its beginning."""

import pytest

from consentmilter.importers import HeaderError, recognise


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("", "txt"),
        ("\n\n", "txt"),
        ("a@x.example\nb@x.example\n", "txt"),
        ("# a list, of people; and domains\na@x.example\n", "txt"),
        (".example.com\n", "txt"),
        ("\ufeffa@x.example\r\n", "txt"),
        ("[192.0.2.1]\na@x.example\n", "txt"),
        ("email\na@x.example\n", "csv"),
        ('\ufeff"E-Mail"\na@x.example\n', "csv"),
        ("email,reason\n", "csv"),
        ("Name;Kontakt\n", "csv"),
        ("name\temail\n", "csv"),
        ("\n# exported\nemail,reason\n", "csv"),
        ("a@x.example,LEFT\n", "csv"),
        ('{"email": "a@x.example"}\n', "jsonl"),
        ('\n  {"email": "a@x.example", "x": 1}', "jsonl"),
        ("\x85a@x.example,b", "csv"),
        ("Subscribers\x0ba@x.example\n", "txt"),
    ],
)
def test_the_first_line_that_says_something_shows_the_format(sample: str, expected: str) -> None:
    """A list without a header is CSV as soon as it has columns: then the reader asks for their names."""
    assert shape(sample) == expected


def shape(sample: str) -> str:
    """How a file is written, whether or not it can be told who is meant."""
    try:
        return recognise(sample).shape
    except HeaderError:
        return "csv"


def test_columns_that_were_named_are_columns_of_something() -> None:
    """A single column with an unknown name could not be told from a list."""
    assert recognise("Kontakt\na@x.example\n", columns={"email": "Kontakt"}).shape == "csv"
    assert recognise('{"Kontakt": "a@x.example"}\n', columns={"email": "Kontakt"}).shape == "jsonl"
