"""Plain lists."""

import pytest

from consentmilter.importers import HeaderError
from consentmilter.importers.lines import MAX_LINE
from tests.importers.reading import bad, causes, good, rows


def test_every_line_is_an_address_or_a_domain() -> None:
    """As it stands, but for blanks around it."""
    found = rows("reader@example.net\n  .example.org \nexample.com", "txt")
    assert good(found) == [(1, "reader@example.net"), (2, ".example.org"), (3, "example.com")]


def test_comments_and_empty_lines_are_counted_and_passed_over() -> None:
    """The numbers are those of an editor."""
    assert good(rows("# opted out\n\n \t\na@x.example\n  # more\nb@x.example\n", "txt")) == [
        (4, "a@x.example"),
        (6, "b@x.example"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_any_system(end: str) -> None:
    """Unix, Windows, and the Macs of old."""
    assert good(rows(f"a@x.example{end}{end}b@x.example{end}", "txt")) == [(1, "a@x.example"), (3, "b@x.example")]


def test_a_byte_order_mark_is_no_part_of_an_address() -> None:
    """At the beginning, and where files were joined."""
    assert good(rows("\ufeffa@x.example\n\ufeffb@x.example\n", "txt")) == [(1, "a@x.example"), (2, "b@x.example")]


def test_octets_that_are_no_utf_8_come_through() -> None:
    """For the address check to name."""
    assert good(rows("caf\udce9@x.example\n", "txt")) == [(1, "caf\udce9@x.example")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("longer", [1, 2, MAX_LINE, MAX_LINE + 1, 5 * MAX_LINE])
def test_an_endless_line_is_one_bad_row(end: str, longer: int) -> None:
    """It is never held in memory as a whole, and the lines behind it keep their numbers."""
    found = rows(f"a@x.example{end}{'x' * (MAX_LINE + longer)}{end}b@x.example{end}", "txt")
    assert good(found) == [(1, "a@x.example"), (3, "b@x.example")]
    assert bad(found) == [(2, "-")]
    assert causes(found) == [f"the line is longer than {MAX_LINE} characters"]


@pytest.mark.parametrize("length", range(MAX_LINE - 3, MAX_LINE + 1))
def test_a_line_of_about_the_greatest_length_keeps_the_numbers_right(length: int) -> None:
    """Also where the cut falls between CR and LF."""
    found = rows(f"{'x' * length}\r\n\r\nb@x.example\r\n", "txt")
    assert good(found)[-1] == (3, "b@x.example")
    assert len(found) == 2


def test_a_plain_list_has_no_columns_to_map() -> None:
    """Rather than that a mapping has no effect."""
    with pytest.raises(HeaderError, match="no columns to map"):
        rows("a@x.example\n", "txt", email="Kontakt")
