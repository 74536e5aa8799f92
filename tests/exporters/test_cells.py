"""Cells of CSV: none starts a formula, and each can be read back."""

import csv
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.exporters.cells import guarded, line, unguarded
from tests.unit.making import examples

STARTS = ("=", "+", "-", "@", "\t", "\r")

AWKWARD = "=+-@\t\r'\" ,;\nx"
"""What makes formulas, and what hides them."""


@pytest.mark.parametrize("start", STARTS)
def test_a_cell_that_would_be_a_formula_gets_an_apostrophe(start: str) -> None:
    """And loses it on the way back."""
    cell = f"{start}1+1@example.com"
    assert guarded(cell) == f"'{cell}"
    assert unguarded(f"'{cell}") == cell


@pytest.mark.parametrize("cell", ["", "a@example.com", "'a@example.com", "1-1", " =1", "''", "o'neill@example.com"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    """Both ways: an apostrophe that is part of an address is not ours."""
    assert guarded(cell) == unguarded(cell) == cell


def test_an_apostrophe_before_a_formula_that_was_there_before_is_kept() -> None:
    """It is told from ours by one more."""
    assert guarded("'=1@example.com") == "''=1@example.com"
    assert unguarded("''=1@example.com") == "'=1@example.com"


def read(text: str) -> list[str]:
    """The one row of a CSV text, as the csv module reads it."""
    [row] = csv.reader(io.StringIO(text, newline=""), strict=True)
    return row


def test_no_short_cell_ever_starts_a_formula_and_every_one_comes_back() -> None:
    """Every text of up to four awkward characters: 30,941 of them, each in two cells."""
    for length in range(5):
        for cell in map("".join, itertools.product(AWKWARD, repeat=length)):
            found = read(line(map(guarded, [cell, "x", cell])))
            assert not found[0].startswith(STARTS)
            assert [unguarded(each) for each in found] == [cell, "x", cell]


@examples(66)
@given(row=st.lists(st.text(max_size=20), min_size=2, max_size=9))
def test_no_text_at_all_starts_a_formula_and_every_one_comes_back(row: list[str]) -> None:
    """Whatever the characters."""
    found = read(line(map(guarded, row)))
    assert not any(cell.startswith(STARTS) for cell in found)
    assert [unguarded(cell) for cell in found] == row


def test_a_cell_without_the_guard_would_be_noticed() -> None:
    """The search for formulas finds one."""
    assert line(["=1+1"]).startswith(STARTS)
    assert not line([guarded("=1+1")]).startswith(STARTS)


@pytest.mark.parametrize("separator", [";", "\t", " "])
def test_a_separator_of_another_country_splits_no_cell(separator: str) -> None:
    """Else the second half of a cell could start a formula of its own."""
    [cells] = csv.reader([line([f"a{separator}=1+1"])], delimiter=separator)
    assert cells == [f"a{separator}=1+1"]
