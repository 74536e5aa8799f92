"""Reasons, dates and evidence, as files write them."""

import io
import json
from datetime import UTC, datetime

import pytest

from consentmilter.importers import BadRow, Entry, Row, read_rows, recognise
from consentmilter.importers.columns import RowReader
from consentmilter.importers.dialects import GENERIC
from consentmilter.importers.rows import MAX_EVIDENCE
from consentmilter.model import Reason
from tests.importers.reading import bare

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


def read(**values: str) -> Row:
    cells = {"email": "a@x.example", **values}
    return bare(RowReader(GENERIC, list(cells), {})(7, list(cells.values())))


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_goes_by_its_name(reason: Reason) -> None:
    """In any case, with blanks or hyphens for its underscore."""
    for word in (reason, reason.upper(), f" {reason.title()} ", reason.replace("_", " "), reason.replace("_", "-")):
        assert read(reason=word) == Entry(7, "a@x.example", reason)


@pytest.mark.parametrize("word", ["", "  ", "\t"])
def test_no_reason_is_none(word: str) -> None:
    """The import has one for such rows."""
    assert read(reason=word, date=word, evidence=word) == Entry(7, "a@x.example")


@pytest.mark.parametrize("word", ["gone away", "unsubscribed by the user, twice", "x" * 10_000, "compl\udce9int", "*"])
def test_another_reason_is_a_bad_row(word: str) -> None:
    """It names those that there are, and the way around."""
    found = read(reason=word)
    assert isinstance(found, BadRow)
    assert (found.line, found.column) == (7, "reason")
    assert found.cause.startswith("unknown reason '")
    assert found.cause.endswith("hard_bounce, imported; --map reason= reads none)")


@pytest.mark.parametrize(
    "word",
    [
        "2026-02-01T12:00:00Z",
        "2026-02-01 12:00:00",
        "Sun, 01 Feb 2026 12:00:00 GMT",
        "Sun, 1 Feb 2026 12:00:00 +0000",
        "1 feb 2026 12:00 UTC",
        "Sun, 01 Feb 2026 14:00:00 +0200 (EET)",
        "2026-02-01T12:00",
        "2026-02-01 12:00:00 UTC",
        "2026-02-01T14:00:00+02:00",
        "2026-02-01 12:00:00.000000",
        "1769947200",
        "1769947200.0",
        "1769947200.",
        "1769947200000",
        " 1769947200 ",
        "20260201T120000",
    ],
)
def test_a_time_may_be_written_in_several_ways(word: str) -> None:
    """ISO 8601, as mail has it, and seconds or milliseconds since 1970; without a zone it is UTC."""
    assert read(date=word) == Entry(7, "a@x.example", at=NOON)


@pytest.mark.parametrize("word", ["2026-02-01", "20260201"])
def test_a_day_is_its_beginning(word: str) -> None:
    """Eight digits are a day, not a time in 1970."""
    assert read(date=word) == Entry(7, "a@x.example", at=datetime(2026, 2, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "word",
    [
        "yesterday",
        "2026-02-30",
        "01/02/2026",
        "-1",
        "\u0661\u0667\u0666",
        "\u00b2",
        "9" * 400,
        "9" * 5000,
        "99999999999999",
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+14:00",
        "1e9",
        "\0",
        "2026-02-01T12:00:00Z, 2026",
    ],
)
def test_what_is_no_time_is_a_bad_row(word: str) -> None:
    """Also one that the store could keep but not read again."""
    found = read(date=word)
    assert isinstance(found, BadRow)
    assert (found.line, found.column) == (7, "date")
    assert "is no date (write 2026-02-01, " in found.cause
    assert len(found.cause) < 200


def test_evidence_is_kept_to_a_length() -> None:
    """Of a whole mail, the beginning."""
    found = read(evidence=f" {'x' * 5000}")
    assert isinstance(found, Entry)
    assert found.evidence == "x" * MAX_EVIDENCE


@pytest.mark.parametrize("address", ["", "  ", "\n"])
def test_a_row_without_an_address_is_bad(address: str) -> None:
    """Whatever else it says."""
    assert read(email=address, reason="complaint") == BadRow(7, "email", "no address")


def test_an_address_in_our_json_lines_is_taken_as_it_stands() -> None:
    """The apostrophe that guards a cell of a table is part of the address there."""
    line = json.dumps({"email": "'=1@x.example", "scope": "*", "reason": "manual", "origin": "cli",
                       "created": "2026-01-01T00:00:00Z", "expires": None, "batch": None,
                       "asserted_again": False})  # fmt: skip
    plan = recognise(line)
    [entry] = read_rows(io.StringIO(line, newline="").readline, plan)
    assert plan.format == "consentmilter"
    assert isinstance(entry, Entry)
    assert entry.address == "'=1@x.example"
