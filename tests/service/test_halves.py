"""A file in two halves says what it says as a whole, wherever its lines end."""

import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.importers import BadRow, Plan, recognise
from consentmilter.keys import KeyRing
from consentmilter.model import Reason
from consentmilter.service.halves import Cut, Cutting, Half
from consentmilter.service.parsing import Job, chunks
from consentmilter.store.said import Said

RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])
CELLS = st.sampled_from([b"a@x.example", b"B@x.example", b"nobody", b"", b"\xe9@x.example", b"d\xc3\xa9@x.example"])
DATES = st.sampled_from([b"2026-02-01", b"yesterday", b"", b"2026-02-01,too wide"])
LINES = st.lists(st.tuples(CELLS, DATES, ENDS), max_size=30)


def found(octets: bytes, block: int, *, quotable: bool = True) -> Cut | None:
    """Where a file that comes in blocks of this size is cut."""
    cutting = Cutting(len(octets))
    for start in range(0, len(octets), block):
        cutting.see(octets[start : start + block])
    return cutting.cut(quotable=quotable)


def said(file: BinaryIO, plan: Plan, lines: int) -> tuple[list[Said], list[BadRow], Counter[str]]:
    """What a file says in front of which there are so many lines."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    job = Job(plan, None, "utf-8", "*", Reason.IMPORTED, RING, {}, True, "list", now)
    read = list(chunks(file, job))
    bad = [row._replace(line=row.line + lines) for chunk in read for row in chunk.bad]
    skipped = sum((chunk.skipped for chunk in read), Counter[str]())
    return [row for chunk in read for row in chunk.said], bad, skipped


def a_half(path: Path, start: int, end: int, stack: list[BinaryIO]) -> BinaryIO:
    stack.append(path.open("rb"))
    return cast(BinaryIO, io.BufferedReader(Half(stack[-1].fileno(), start, end)))


@settings(deadline=None)
@given(lines=LINES, block=st.integers(1, 40))
def test_two_halves_say_what_the_file_says(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[bytes, bytes, bytes]], block: int
) -> None:
    """The same rows, and the bad ones at the same lines, with whatever line ends, mixed ones too."""
    octets = b"email,date\n" + b"".join(b"%s,%s%s" % line for line in lines)
    cut = found(octets, block)
    if cut is None or cut.octet <= len(b"email,date\n"):
        return
    path = tmp_path_factory.mktemp("halves") / "list.csv"
    path.write_bytes(octets)
    plan = recognise("email,date\n", wanted="csv")
    below = replace(plan, header=False)
    files: list[BinaryIO] = []
    try:
        first = said(a_half(path, 0, cut.octet, files), plan, 0)
        second = said(a_half(path, cut.octet, len(octets), files), below, cut.lines)
    finally:
        for file in files:
            file.close()
    whole = said(io.BytesIO(octets), plan, 0)
    assert (first[0] + second[0], first[1] + second[1], first[2] + second[2]) == whole


@given(
    octets=st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n"]), max_size=40).map(b"".join), block=st.integers(1, 9)
)
def test_a_file_is_cut_behind_a_line_end_in_its_second_half(octets: bytes, block: int) -> None:
    """Behind the first there; the lines before it are those that a text file counts."""
    cut = found(octets, block)
    end = octets.find(b"\n", len(octets) // 2) + 1
    if not end:
        assert cut is None
        return
    assert cut is not None
    text = octets[:end].decode().replace("\r\n", "\n").replace("\r", "\n")
    assert (cut.octet, cut.lines) == (end, text.count("\n"))


def test_a_file_with_quotes_has_no_halves_if_they_mean_something() -> None:
    """A cell in quotes may hold line ends; in a plain list a quote is part of an address."""
    octets = b'a@x.example\nb@x.example\nc@x.example\n"d"@x.example\n'
    assert found(octets, 8) is None
    assert found(octets, 8, quotable=False) == Cut(36, 3)


def test_half_a_file_is_read_where_it_is_while_others_read_elsewhere(tmp_path: Path) -> None:
    """Two processes that share a descriptor share its place, too."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        first, second = Half(file.fileno(), 0, 4), Half(file.fileno(), 4, 10)
        assert (first.read(2), second.read(3), file.read(1)) == (b"01", b"456", b"0")
        assert (first.read(), second.read(), file.read()) == (b"23", b"789", b"123456789")
        second.seek(1)
        assert (second.tell(), second.read(2), second.tell()) == (1, b"56", 3)
        with pytest.raises(ValueError, match="from its start"):
            second.seek(0, io.SEEK_END)
