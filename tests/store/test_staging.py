"""Rows gathered in any order and given back in key order, in memory or from a file that has no name."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.errors import StoreError
from consentmilter.store import staging as staging_module
from consentmilter.store.said import Said
from consentmilter.store.staging import Spill, Staging
from consentmilter.store.writer import Store
from tests.store.support import KEYS, run

keys = st.binary(min_size=1, max_size=2).map(lambda start: start.ljust(16, b"\0"))
times = st.none() | st.integers(0, 5)
said = st.tuples(
    keys, st.sampled_from(["*", "acme"]), st.just("imported"), times, times, st.sampled_from([None, "a@x"])
)


def a_file() -> BinaryIO:
    return cast(BinaryIO, tempfile.TemporaryFile())


NO_SPACE = "cannot put the rows of the import aside: No space left on device"


def no_file() -> BinaryIO:
    raise AssertionError("so few rows need no file")


def row(key: int, address: str | None = None) -> Said:
    return key.to_bytes(16), "*", "imported", None, None, address


def chunks_of(staging: Staging, size: int) -> list[list[Said]]:
    return [list(chunk.rows()) for chunk in staging.chunks(size)]


def merged(rows: list[Said]) -> dict[tuple[bytes, str, str], Said]:
    """What is left of these rows: of those that say the same, the first, held as long as the longest."""
    found: dict[tuple[bytes, str, str], Said] = {}
    for each in rows:
        first = found.setdefault(each[:3], each)
        until = None if first[4] is None or each[4] is None else max(first[4], each[4])
        found[each[:3]] = (*first[:4], until, first[5] or each[5])
    return found


@settings(deadline=None)
@given(
    rows=st.lists(said, max_size=60),
    run_rows=st.integers(1, 70),
    part_octets=st.sampled_from([100, 1000, 1 << 23]),
    size=st.integers(1, 20),
)
def test_all_rows_come_back_in_key_order_and_each_once(
    rows: list[Said], run_rows: int, part_octets: int, size: int
) -> None:
    """In chunks of the size asked for, whether they fit into memory or not; and again, if asked again."""
    with Spill(a_file) as spill, patch.object(staging_module, "PART_OCTETS", part_octets):
        staging = Staging(spill, run_rows)
        for start in range(0, len(rows), 7):
            staging.add(rows[start : start + 7])
        assert len(staging) == len(rows)
        chunks = chunks_of(staging, size)
        assert chunks_of(staging, size) == chunks
    back = [each for chunk in chunks for each in chunk]
    assert [each[0] for each in back] == sorted(each[0] for each in back)
    assert {each[:3]: each for each in back} == merged(rows)
    assert len(back) == len(merged(rows))
    assert [len(chunk) for chunk in chunks[:-1]] == [size] * len(chunks[:-1])


def test_few_rows_need_no_file() -> None:
    """Most files are small."""
    with Spill(no_file) as spill:
        staging = Staging(spill)
        staging.add(map(row, range(1000)))
        assert sum(map(len, chunks_of(staging, 300))) == 1000


def test_one_person_named_over_and_over_takes_no_memory() -> None:
    """Each run keeps one row of it."""
    written = []

    class Counting:
        def __init__(self) -> None:
            self.file = a_file()

        def write(self, octets: bytes) -> int:
            written.append(len(octets))
            return self.file.write(octets)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    with Spill(lambda: cast(BinaryIO, Counting())) as spill:
        staging = Staging(spill, run_rows=100)
        for _ in range(100):
            staging.add([row(1, "a@x.example")] * 100)
        assert [len(chunk) for chunk in chunks_of(staging, 10)] == [1]
    assert sum(written) < 100 * 100


def test_a_file_that_cannot_be_written_is_an_error_of_the_store() -> None:
    """As on a full disk; the message says what could not be done."""

    class Full:
        def seek(self, *_place: int) -> int:
            return 0

        def write(self, _octets: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def close(self) -> None:
            pass

    with Spill(lambda: cast(BinaryIO, Full())) as spill, pytest.raises(StoreError, match=NO_SPACE):
        Staging(spill, run_rows=10).add(map(row, range(10)))


def test_a_file_that_cannot_be_made_is_an_error_of_the_store() -> None:
    """Nothing else is wrong then: the import says it, and has not begun."""

    def refused() -> BinaryIO:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Spill(refused) as spill, pytest.raises(StoreError, match=NO_SPACE):
        Staging(spill, run_rows=10).add(map(row, range(10)))


@given(first=st.lists(said, max_size=30), rest=st.lists(said, max_size=30), run_rows=st.integers(1, 40))
def test_rows_that_others_put_aside_come_before_one_s_own(first: list[Said], rest: list[Said], run_rows: int) -> None:
    """As if one had added all of them: of rows that say the same, the first of all counts."""
    with Spill(a_file) as theirs, Spill(a_file) as ours:
        others, staging = Staging(theirs, run_rows), Staging(ours, run_rows)
        others.add(first)
        staging.add(rest)
        staging.adopt(theirs, others.put_aside(), len(others))
        assert len(staging) == len(first) + len(rest)
        back = [each for chunk in chunks_of(staging, 7) for each in chunk]
    assert {each[:3]: each for each in back} == merged(first + rest)
    assert len(back) == len(merged(first + rest))


def test_stagings_that_share_a_spill_keep_apart() -> None:
    """A file may name several lists, and its rows lie in one spill."""
    with Spill(a_file) as spill:
        stagings = [Staging(spill, run_rows=3) for _ in range(3)]
        for number in range(30):
            stagings[number % 3].add([row(number)])
        for number, staging in enumerate(stagings):
            assert chunks_of(staging, 100) == [[row(each) for each in range(number, 30, 3)]]


def test_the_file_lies_beside_the_database_and_has_no_name(url: str, database: Path) -> None:
    """It holds addresses: nobody else may read it, and nothing is left of it, whatever ends the process."""

    def open_files() -> Iterator[str]:
        for entry in Path("/proc/self/fd").iterdir():
            try:
                yield str(entry.readlink())
            except FileNotFoundError:  # the descriptor by which the folder itself was read
                continue

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            before = set(database.parent.iterdir())
            with store.spill() as spill:
                staging = Staging(spill)
                staging.add(map(row, range(200_000)))
                (unnamed,) = [name for name in open_files() if "(deleted)" in name and str(database.parent) in name]
                assert set(database.parent.iterdir()) == before
                assert sum(map(len, chunks_of(staging, 10_000))) == 200_000
            assert unnamed not in set(open_files())

    run(scene())


def test_memory_holds_no_more_rows_at_once_however_many_there_are() -> None:
    """What begins with one octet is told apart by the next where it is much."""
    rows = [row(number << 64) for number in range(3000)]
    with Spill(a_file) as spill, patch.object(staging_module, "PART_OCTETS", 2000):
        staging = Staging(spill, run_rows=100)
        staging.add(rows)
        parts = [list(part.rows()) for part in staging._parts()]
    assert [each for part in parts for each in part] == rows
    assert max(map(len, parts)) < 100
