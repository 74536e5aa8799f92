"""The format of a file, from its beginning."""

import pytest

from consentmilter.importers import HeaderError, detect


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("", "txt"),
        ("\n\n", "txt"),
        ("a@x.example\nb@x.example\n", "txt"),
        ("# a list, of people; and domains\na@x.example\n", "txt"),
        (".example.com\n", "txt"),
        ("\ufeffa@x.example\r\n", "txt"),
        ("[192.0.2.1]\n", "txt"),
        ("email\na@x.example\n", "csv"),
        ('\ufeff"E-Mail"\na@x.example\n', "csv"),
        ("email,reason\n", "csv"),
        ("Name;Kontakt\n", "csv"),
        ("name\temail\n", "csv"),
        ("\n# exported\nemail,reason\n", "csv"),
        ("a@x.example,BOUNCE\n", "csv"),
        ('{"email": "a@x.example"}\n', "jsonl"),
        ('\n  {"email": "a@x.example", "x": 1}', "jsonl"),
        ("\x85a@x.example,b", "csv"),
        ("Subscribers\x0ba@x.example\n", "txt"),
    ],
)
def test_the_first_line_that_says_something_shows_the_format(sample: str, expected: str) -> None:
    """A list without a header is CSV as soon as it has columns: then the reader asks for their names."""
    assert detect(sample) == expected


def test_columns_that_were_named_are_columns_of_something() -> None:
    """A single column with an unknown name could not be told from a list."""
    assert detect("Kontakt\na@x.example\n", {"email": "Kontakt"}) == "csv"
    assert detect('{"Kontakt": "a@x.example"}\n', {"email": "Kontakt"}) == "jsonl"


@pytest.mark.parametrize("sample", ['[{"email": "a@x.example"}]', '[\n{"email": "a@x.example"}\n]', ' [ {"email": 1'])
def test_a_json_array_is_refused_with_the_mend(sample: str) -> None:
    """It is no list of lines."""
    with pytest.raises(HeaderError, match="write one object a line"):
        detect(sample)
