"""Lines of a table that are taken apart together say what each of them says alone."""

import io
from collections import Counter
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.addresses import Folding, Foldings
from consentmilter.importers import BadRow, Plan, Table, csv_rows, read_parts, read_rows, recognise
from consentmilter.keys import KeyRing
from consentmilter.model import Reason
from consentmilter.service.parsing import Job, chunks
from consentmilter.store.said import Said
from tests.importers.reading import lines

RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})
NOW = datetime(2026, 3, 1, tzinfo=UTC)

ADDRESSES = st.sampled_from(
    ["a@x.example", "A@X.example ", "b@x.example", "é@x.example", "x.example", "nobody", "", " ", '"a b"@x.example']
)
REASONS = st.sampled_from(["unsubscribe", "Complaint", "", "soft bounce", "whim"])
DATES = st.sampled_from(["2026-02-01", "2026-02-02T10:00:00Z", "", "yesterday"])
LINES = st.lists(st.tuples(ADDRESSES, REASONS, DATES, st.sampled_from(["", "", "", ",", ",,"])), max_size=40)


def plan_of(header: str) -> Plan:
    return recognise(header, wanted="csv")


def told(text: str, foldings: Foldings) -> tuple[list[Said], list[BadRow], Counter[str]]:
    """What the file says."""
    job = Job(plan_of(text), None, "utf-8", "*", Reason.IMPORTED, RING, foldings, True, "list", NOW)
    found = list(chunks(io.BytesIO(text.encode()), job))
    skipped = sum((chunk.skipped for chunk in found), Counter[str]())
    return [row for chunk in found for row in chunk.said], [row for chunk in found for row in chunk.bad], skipped


@settings(max_examples=60, deadline=None)
@given(
    header=st.sampled_from(["email,reason,date", "date,email,reason", "email"]),
    rows=LINES,
    alike=st.integers(1, 10),
    foldings=st.sampled_from([{}, {"x.example": Folding(sub_address="+")}]),
)
def test_a_file_says_the_same_by_the_table_as_row_by_row(
    header: str, rows: list[tuple[str, str, str, str]], alike: int, foldings: Foldings
) -> None:
    """Good rows in their order, bad ones with line and cells, and what was skipped."""
    columns = {"email": 0, "reason": 1, "date": 2}
    text = "\n".join([header, *(",".join(row[columns[name]] for name in header.split(",")) + row[3] for row in rows)])
    with patch.object(csv_rows, "_ALIKE", alike):
        together = told(text, foldings)
    with patch.object(csv_rows, "table_of", return_value=None):
        assert together == told(text, foldings)


def test_most_lines_are_taken_apart_together() -> None:
    """Or it would be no way at all; one that is unlike the others costs its neighbours only."""
    text = "email,reason,date\n" + "a@x.example,complaint,2026-02-01\n" * 1000 + "a@x.example\n"
    parts = list(read_parts(lines(text).read, plan_of(text)))
    assert [len(part.addresses) for part in parts if isinstance(part, Table)] == [100] * 10
    assert [row.line for row in parts if not isinstance(row, Table)] == [1002]


@pytest.mark.parametrize(
    "line",
    ["a@x.example", "a@x.example,,,", "a@x.example,whim,", "a@x.example,,whenever", ",,", "a@x.example,soft bounce,"],
)
def test_a_line_that_takes_a_closer_look_gets_it(line: str) -> None:
    """Then all around it are read one by one, and come to the same."""
    text = f"email,reason,date\nb@x.example,complaint,2026-02-01\n{line}\n"
    parts = list(read_parts(lines(text).read, plan_of(text)))
    assert not any(isinstance(part, Table) for part in parts)
    assert parts == list(read_rows(lines(text).read, plan_of(text)))
