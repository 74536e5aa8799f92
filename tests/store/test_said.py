"""What rows say, handed on column by column, and what the ledger records of them."""

from hypothesis import given
from hypothesis import strategies as st

from consentmilter.ledger import said_digest
from consentmilter.store.said import Columns, Said, in_order

TIMES = st.none() | st.integers(0, 20)
KEYS = st.binary(min_size=16, max_size=16) | st.sampled_from([bytes(16), bytes(20), bytes(32), b"\xff" * 20])
ROWS = st.lists(
    st.tuples(
        KEYS, st.sampled_from(["*", "ä\n"]), st.sampled_from(["imported", "complaint"]), TIMES, TIMES,
        st.sampled_from([None, "a@x.example"]),
    ),
    max_size=8, unique_by=lambda row: row[:3],
)  # fmt: skip


@given(rows=ROWS)
def test_rows_come_out_of_their_columns_as_they_went_in(rows: list[Said]) -> None:
    """Packed or not, where all are alike in something, and where there is one, or none."""
    columns = Columns.of(rows)
    assert list(columns.rows()) == rows
    assert list(Columns(columns.packed()).rows()) == rows


@given(rows=ROWS, alike=st.booleans())
def test_the_short_way_to_a_digest_comes_to_the_same(rows: list[Said], alike: bool) -> None:
    """For rows that differ in subject and time alone, whatever the lengths of their digests, and for others."""
    if alike:
        rows = list({row[0]: (row[0], "*", "imported", row[3], None, None) for row in rows}.values())
    assert Columns.of(in_order(rows)).digest == said_digest(row[:5] for row in rows)


@given(parts=st.lists(ROWS, min_size=1, max_size=4))
def test_rows_of_several_parts_are_those_of_all(parts: list[list[Said]]) -> None:
    """Whether or not they are alike in something, and whether or not some of them say the same."""
    rows = [row for part in parts for row in part]
    joined = Columns.joined([Columns.of(part) for part in parts])
    assert list(joined.rows()) == rows
    assert list(joined.in_order().rows()) == in_order(rows)


@given(rows=ROWS, ends=st.tuples(st.integers(0, 8), st.integers(0, 8)))
def test_a_part_of_the_columns_is_that_of_the_rows(rows: list[Said], ends: tuple[int, int]) -> None:
    """Rows that follow each other, or every other one."""
    start, end = sorted(ends)
    columns = Columns.of(rows)
    assert list(columns.part(start, end).rows()) == rows[start:end]
    assert list(columns.only([at % 2 == 0 for at in range(len(rows))]).rows()) == rows[::2]
