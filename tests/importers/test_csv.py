"""CSV: headers as they come, quotes with and without their ends, and rows of any width."""

from datetime import UTC, datetime

import pytest

from consentmilter.importers import BadRow, Entry, HeaderError
from consentmilter.importers.csv_rows import MAX_RECORD_LINES
from consentmilter.importers.lines import MAX_LINE
from consentmilter.model import Reason
from tests.importers.reading import bad, causes, good, rows


def test_all_columns_are_read() -> None:
    """In whatever order they stand, and others are passed over."""
    text = "evidence,date,name,reason,email\nclicked,2026-02-01,Ann,complaint,ann@x.example\n"
    at = datetime(2026, 2, 1, tzinfo=UTC)
    assert rows(text, "csv") == [Entry(2, "ann@x.example", Reason.COMPLAINT, at, "clicked")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_header_shows_what_separates_columns(delimiter: str) -> None:
    """Comma, semicolon or tab."""
    text = f"name{delimiter}email\nAnn{delimiter}ann@x.example\n"
    assert good(rows(text, "csv")) == [(2, "ann@x.example")]


def test_the_delimiter_is_the_one_that_leads_to_an_address() -> None:
    """Not the one that happens to be in the name of a column as often."""
    assert good(rows("email;name, first\na@x.example;Ann, A.\n", "csv")) == [(2, "a@x.example")]
    assert good(rows('"name; last, first",email\n"A; B, C",a@x.example\n', "csv")) == [(2, "a@x.example")]


@pytest.mark.parametrize(
    "header",
    [
        "email",
        "EMAIL",
        " E-Mail ",
        "Email Address",
        "email_address",
        "EmailAddress",
        '"email"',
        "recipient",
        "\ufeffemail",
    ],
)
def test_the_address_column_goes_by_several_names(header: str) -> None:
    """In any case, quoted or not, with a byte order mark or without."""
    assert good(rows(f"{header}\na@x.example\n", "csv")) == [(2, "a@x.example")]
    assert good(rows(f"{header},name\na@x.example,Ann\n", "csv")) == [(2, "a@x.example")]


def test_a_quoted_header_behind_a_byte_order_mark_is_read() -> None:
    """As a spreadsheet writes it."""
    assert good(rows('\ufeff"Email","Name"\r\n"a@x.example","Ann"\r\n', "csv")) == [(2, "a@x.example")]


def test_the_plainest_name_wins() -> None:
    """An `address` beside an `email` may be a street."""
    assert good(rows("address,email\n1 Road,a@x.example\n", "csv")) == [(2, "a@x.example")]


def test_lines_before_the_header_may_be_empty_or_comments() -> None:
    """A header that begins with # is a header."""
    assert good(rows("\n# from the old system\n\nemail,name\na@x.example,Ann\n", "csv")) == [(5, "a@x.example")]
    assert good(rows("#,email\n1,a@x.example\n", "csv")) == [(2, "a@x.example")]


@pytest.mark.parametrize("text", ["email,email\n", "email;E-Mail\n", "Email Address,email_address\n"])
def test_two_columns_that_could_hold_the_address_are_refused(text: str) -> None:
    """Either could be the wrong one, and the people in the other would get mail."""
    with pytest.raises(HeaderError, match=r"several columns could hold the address: .*rename all but one"):
        rows(text, "csv")


def test_another_column_may_stand_twice() -> None:
    """The first counts, for those that are read; exports do have such headers."""
    found = rows("email,date,date,x,x\na@x.example,2026-02-01,2026-03-01,1,2\n", "csv")
    assert found == [Entry(2, "a@x.example", at=datetime(2026, 2, 1, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("text", "listed", "mend"),
    [
        ("name,phone\nAnn,123\n", "'name', 'phone'", "--map email=COLUMN"),
        ("name;Kontakt\nAnn;a@x.example\n", "'name', 'Kontakt'", "--map email=Kontakt"),
        ("name,E Mail 2\nAnn,a@x.example\n", "'name', 'E Mail 2'", "--map 'email=E Mail 2'"),
        ("7,a@x.example,left\n8,b@x.example,left\n", "'7', 'a@x.example', 'left'", "--map email=2"),
        ("\n\n", "nothing", "--map email=COLUMN"),
        ("# a comment\n", "nothing", "--map email=COLUMN"),
        ("", "nothing", "--map email=COLUMN"),
    ],
)
def test_a_header_without_addresses_is_refused(text: str, listed: str, mend: str) -> None:
    """Naming what is there, and what to add to the command: the column in which addresses are seen."""
    with pytest.raises(HeaderError) as caught:
        rows(text, "csv")
    assert f"no column of addresses among: {listed}" == str(caught.value)
    assert caught.value.mend == mend


def test_a_header_that_is_no_csv_is_refused() -> None:
    """With its line."""
    with pytest.raises(HeaderError, match="line 1: the header is not CSV"):
        rows('email,"a"b\n', "csv")


def test_a_column_is_named_by_map() -> None:
    """As it stands in the file, whatever the case."""
    found = rows("Kontakt;Grund\na@x.example;complaint\n", "csv", email="kontakt", reason="GRUND")
    assert found == [Entry(2, "a@x.example", Reason.COMPLAINT)]


def test_a_mapped_column_comes_before_the_known_names() -> None:
    """The user knows better."""
    assert good(rows("email,private\nwork@x.example,a@x.example\n", "csv", email="private")) == [(2, "a@x.example")]


def test_a_mapped_column_that_is_not_there_is_refused() -> None:
    """Naming those that are."""
    with pytest.raises(HeaderError, match=r"there is no column 'grund'; the file has: 'email', 'reason'"):
        rows("email,reason\na@x.example,complaint\n", "csv", reason="grund")


def test_a_column_that_is_mapped_to_nothing_is_not_read() -> None:
    """As for a `reason` that holds free text."""
    assert rows("email,reason\na@x.example,550 no such user\n", "csv", reason="") == [Entry(2, "a@x.example")]


def test_quoted_cells_may_hold_anything() -> None:
    """Delimiters, quotes and line ends; the row is the line where it begins."""
    text = 'email,evidence\n"a@x.example","said: ""stop"",\r\nand left"\nb@x.example,\n'
    found = rows(text, "csv")
    assert found == [
        Entry(2, "a@x.example", evidence='said: "stop",\nand left'),
        Entry(4, "b@x.example"),
    ]


def test_a_quoted_local_part_is_an_address() -> None:
    """RFC 5321 has such, and CSV doubles its quotes."""
    assert good(rows('email\n"""a b""@x.example"\n', "csv")) == [(2, '"a b"@x.example')]


def test_short_rows_lack_what_they_lack() -> None:
    """Without the address a row says nothing."""
    found = rows("name,email,reason\nAnn,a@x.example\nBob\n", "csv")
    assert good(found) == [(2, "a@x.example")]
    assert bad(found) == [(3, "email")]
    assert causes(found) == ["no address"]


def test_rows_with_more_columns_than_the_header_are_bad() -> None:
    """Which of them is the address cannot be told; empty ones at the end do no harm."""
    found = rows("email,name\na@x.example,Ann,extra\nb@x.example,Bob,,\n", "csv")
    assert good(found) == [(3, "b@x.example")]
    assert causes(found) == ["not CSV: 3 columns, but the header has 2 (a missing quote?)"]


def test_empty_rows_are_passed_over() -> None:
    """Spreadsheets leave rows of nothing but delimiters behind."""
    assert good(rows("email,name\n\n,\n , \na@x.example,Ann\n,,,,\n", "csv")) == [(5, "a@x.example")]


def test_a_quote_that_is_never_closed_costs_one_row() -> None:
    """The rows that it swallowed are read again, each with its own line."""
    text = "email,name\na@x.example,Ann\n" + '"b@x.example,Bob\n' + "".join(f"p{n}@x.example,P\n" for n in range(500))
    found = rows(text, "csv")
    assert good(found) == [(2, "a@x.example"), *((4 + n, f"p{n}@x.example") for n in range(500))]
    assert bad(found) == [(3, "-")]
    assert causes(found) == [f"not CSV: a quote is open for {MAX_RECORD_LINES} lines"]


@pytest.mark.parametrize("behind", ["", "c@x.example,Carl", "c@x.example,Carl\nd@x.example,Dora\n"])
def test_a_quote_that_is_open_at_the_end_of_the_file_costs_one_row(behind: str) -> None:
    """However little there is behind it."""
    found = rows(f'email,name\n"b@x.example,Bob\n{behind}', "csv")
    assert [line for line, _ in good(found)] == list(range(3, 3 + len(behind.split())))
    assert causes(found) == ["not CSV: a quote is opened and never closed"]


def test_a_quote_that_the_next_quote_seems_to_close_costs_no_row_between_them() -> None:
    """Two typing errors, forty rows apart."""
    between = "".join(f"p{n}@x.example,P\n" for n in range(40))
    found = rows(f'email,name\n"a@x.example,Ann\n{between}b@x.example,"Bob\nc@x.example,Carl\n', "csv")
    assert [address for _, address in good(found)] == [*(f"p{n}@x.example" for n in range(40)), "c@x.example"]
    assert bad(found) == [(2, "-"), (43, "-")]


def test_a_line_end_within_an_address_costs_one_row() -> None:
    """The quotes are well-formed here, and the rows between them are people."""
    found = rows('email\n"a@x.example\nb@x.example\nc@x.example"\nd@x.example\n', "csv")
    assert good(found) == [(3, "b@x.example"), (4, 'c@x.example"'), (5, "d@x.example")]
    assert causes(found) == ["not CSV: a line end within the address"]


def test_a_stray_quote_is_one_bad_row() -> None:
    """The message is that of the csv module, which names it."""
    found = rows('email,name\n"a@x.example"x,Ann\nb@x.example,Bob\n', "csv")
    assert good(found) == [(3, "b@x.example")]
    assert causes(found) == ["not CSV: ',' expected after '\"'"]


def test_a_nul_is_for_the_address_check_to_name() -> None:
    """The row is there, with the NUL in it."""
    found = rows("email,name\na\0@x.example,Ann\nb@x.example,B\0b\n", "csv")
    assert good(found) == [(2, "a\0@x.example"), (3, "b@x.example")]


def test_a_huge_field_is_one_bad_row() -> None:
    """On one line, or over many."""
    long = f"a@x.example,{'x' * MAX_LINE}\n"
    found = rows(f"email,name\n{long}b@x.example,Bob\n", "csv")
    assert (good(found), bad(found)) == ([(3, "b@x.example")], [(2, "-")])
    wide = ('"a@x.example","' + f"{'y' * 50_000}\n" * 90) + '"\n'
    found = rows(f"email,name\n{wide}b@x.example,Bob\n", "csv")
    assert good(found)[-1] == (93, "b@x.example")
    assert bad(found)[0] == (2, "-")


def test_a_bad_row_says_no_more_than_can_be_shown() -> None:
    """Whatever length the file's text has."""
    found = rows(f"email,reason\na@x.example,{'z' * 5000}\n", "csv")
    assert isinstance(found[0], BadRow)
    assert len(found[0].cause) < 250
