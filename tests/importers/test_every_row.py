"""What holds for every file: a row is an entry or a bad row, its line is right, and time grows with the file."""

import csv
import io
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.importers import FORMATS, SHAPES, BadRow, Entry, HeaderError, recognise
from tests.importers.reading import bad, good, rows
from tests.unit.growth import grows_linearly

TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)
LINES = st.lists(st.text(st.sampled_from("a@.,;\t\"#{}[]: '\\\x00\x0b\ufeff\u2028\r\n")), max_size=30).map("\n".join)
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("file_format", SHAPES)
@given(text=TEXT | LINES)
def test_no_text_raises_anything_but_a_header_error(file_format: str, text: str) -> None:
    """Whatever it is, lone surrogates included; lines are told of in order, and once unless they hold several rows."""
    try:
        found = rows(_storable(text), file_format)
    except HeaderError:
        assert file_format == "csv"
        return
    lines = [row.line for row in found]
    assert lines == sorted(lines if file_format in {"json", "postfix"} else set(lines))
    assert all(0 < line <= 1 + text.count("\n") + text.count("\r") for line in lines)


@given(text=TEXT | LINES, name=TEXT)
def test_recognition_raises_nothing_but_a_header_error(text: str, name: str) -> None:
    """And always answers."""
    with suppress(HeaderError):
        assert recognise(text.replace("\r", "\n"), file_name=name).format in FORMATS


@given(st.lists(st.tuples(st.booleans(), CELL, st.booleans()), max_size=40))
def test_every_csv_row_is_told_with_its_line(plan: list[tuple[bool, str, bool]]) -> None:
    """As the csv module writes rows, good and bad, with anything in a cell that is not read."""
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(["email", "date", "name"])
    wanted: list[tuple[int, bool]] = []
    for number, (sound, cell, again) in enumerate(plan):
        wanted.append((1 + _line_ends(file.getvalue()), sound))
        writer.writerow([f"p{number}@x.example", "2026-02-01" if sound else "never", cell + "\n" * again])
    found = rows(file.getvalue(), "csv")
    assert [(row.line, isinstance(row, Entry)) for row in found] == wanted
    assert {row.column for row in found if isinstance(row, BadRow)} <= {"date"}


@given(st.lists(st.tuples(st.booleans(), CELL), max_size=40))
def test_every_json_row_is_told_with_its_line(plan: list[tuple[bool, str]]) -> None:
    """Half of them without what an address is under."""
    lines = [json.dumps({"email" if sound else "name": "a@x.example", "x": cell}) for sound, cell in plan]
    found = rows("\n".join(lines), "jsonl")
    assert [(row.line, isinstance(row, Entry)) for row in found] == [(n, s) for n, (s, _) in enumerate(plan, 1)]


@given(st.lists(st.sampled_from(["", "# x", " ", "a@x.example"])))
def test_every_line_of_a_list_is_told_with_its_number(lines: list[str]) -> None:
    """Unless it is empty or a comment."""
    found = rows("\n".join(lines), "txt")
    assert good(found) == [(n, line) for n, line in enumerate(lines, 1) if "@" in line]
    assert bad(found) == []


@pytest.mark.parametrize(
    ("file_format", "head", "row"),
    [
        ("txt", "", "somebody@x.example\n"),
        ("csv", "email,reason\n", "somebody@x.example,complaint\n"),
        ("csv", "email,reason\n", '"somebody@x.example\n'),
        ("csv", "email,reason\n", 'somebody@x.example,"""\n'),
        ("csv", "email,reason\n", 'x""y,"""z\n'),
        ("csv", "email,reason\n", 'a"",b\n"'),
        ("csv", "email,reason\n", '"a\n' + "b\n" * 97),
        ("csv", "email,reason\n", "," * 50 + "\n"),
        ("jsonl", "", '{"email": "somebody@x.example", "reason": "complaint"}\n'),
        ("jsonl", "", "{" * 20 + "\n"),
        ("json", "[", '{"email": "somebody@x.example", "reason": "complaint"},\n'),
        ("json", "[", '{"a": [1,\n'),
        ("json", "[", '{"email": },'),
        ("json", "[", " " * 50),
        ("hashes", "", f"{'0' * 32}\n"),
        ("postfix", "", "example.com REJECT\n"),
    ],
)
def test_time_grows_with_the_file_and_no_faster(file_format: str, head: str, row: str) -> None:
    """Also where every row opens a quote that is never closed, and so is read again and again."""
    assert grows_linearly(lambda text: rows(text, file_format), lambda size: head + row * (size // len(row)), 20_000)


def test_reading_again_and_again_from_the_start_would_be_noticed() -> None:
    """The measure itself can fail: a reader that gives back a whole file at each fault takes quadratic time."""
    text = '"a\n'
    assert not grows_linearly(
        lambda lines: [_swallow(lines[start:]) for start in range(len(lines))], lambda size: [text] * size, 100
    )


def _swallow(lines: list[str]) -> int:
    return sum(len(line) for line in lines)


def _line_ends(text: str) -> int:
    """As a file counts its lines: CR LF is one end, CR another, LF another."""
    return len(io.StringIO(text, newline=None).read().split("\n")) - 1


def _storable(text: str) -> str:
    """Surrogates that stand for no octet cannot be in a file."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
