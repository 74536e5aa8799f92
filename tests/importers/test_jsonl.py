"""JSON lines: one object a line."""

from datetime import UTC, datetime

import pytest

from consentmilter.importers import Entry
from consentmilter.importers.lines import MAX_LINE
from consentmilter.model import Reason
from tests.importers.reading import bad, causes, good, rows


def test_every_line_is_an_object() -> None:
    """Empty lines are passed over, other keys are not read."""
    text = '{"email": "a@x.example", "reason": "complaint", "id": 7}\n\n{"E-Mail": "b@x.example", "date": 1769904000}\n'
    assert rows(text, "jsonl") == [
        Entry(1, "a@x.example", Reason.COMPLAINT),
        Entry(3, "b@x.example", at=datetime(2026, 2, 1, tzinfo=UTC)),
    ]


def test_null_is_the_same_as_nothing() -> None:
    """An address that is null is none."""
    found = rows('{"email": "a@x.example", "reason": null, "date": null}\n{"email": null}\n', "jsonl")
    assert good(found) == [(1, "a@x.example")]
    assert causes(found) == ["no address"]


@pytest.mark.parametrize(
    ("line", "column", "cause"),
    [
        ("{", "-", "not JSON: "),
        ("a@x.example", "-", "not JSON: "),
        ('["a@x.example"]', "-", "not a JSON object"),
        ("17", "-", "not a JSON object"),
        ('{"name": "Ann"}', "email", "no column of addresses among: 'name'"),
        ("{}", "email", "no column of addresses among: nothing"),
        ('{"email": ["a@x.example"]}', "email", 'neither text nor a number: ["a@x.example"]'),
        ('{"email": "a@x.example", "date": {"y": 2026}}', "date", "neither text nor a number"),
        ('{"email": "a@x.example", "reason": true}', "reason", "neither text nor a number: true"),
        ('{"email": "a@x.example", "date": NaN}', "date", "'nan' is no date"),
        ('{"email": "a@x.example", "email_address": "b@x.example", "E-Mail": "c"}', "email", "several columns"),
        ("[" * 50_000, "-", "not JSON: "),
        ('{"email": ' + "9" * 5000 + "}", "-", "not JSON: "),
        ('{"x": "' + "y" * MAX_LINE, "-", "the line is longer than"),
    ],
)
def test_a_line_that_cannot_be_used_is_a_bad_row(line: str, column: str, cause: str) -> None:
    """And the one behind it is read."""
    found = rows(f'{line}\n{{"email": "b@x.example"}}\n', "jsonl")
    assert good(found) == [(2, "b@x.example")]
    assert bad(found) == [(1, column)]
    assert causes(found)[0].startswith(cause)
    assert len(causes(found)[0]) < 300


def test_a_byte_order_mark_is_no_part_of_an_object() -> None:
    """Nor of the one behind it where files were joined."""
    assert good(rows('\ufeff{"email": "a@x.example"}\n\ufeff{"email": "b@x.example"}', "jsonl")) == [
        (1, "a@x.example"),
        (2, "b@x.example"),
    ]


def test_a_key_is_named_by_map() -> None:
    """Where an object lacks it, it lacks the value; only the address has to be there."""
    text = '{"to": "a@x.example", "why": "complaint"}\n{"to": "b@x.example"}\n{"email": "c@x.example"}\n'
    found = rows(text, "jsonl", email="To", reason="why")
    assert [row for row in found if isinstance(row, Entry)] == [
        Entry(1, "a@x.example", Reason.COMPLAINT),
        Entry(2, "b@x.example"),
    ]
    assert causes(found) == ["there is no column 'To'; the file has: 'email'"]


def test_an_escaped_surrogate_is_for_the_address_check_to_name() -> None:
    """JSON can write what no UTF-8 holds."""
    assert good(rows('{"email": "a\\ud800@x.example"}\n', "jsonl")) == [(1, "a\ud800@x.example")]
