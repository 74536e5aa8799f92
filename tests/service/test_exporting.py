"""Exports: what is written, from which moment, and what the ledger notes."""

import asyncio
import csv
import gc
import hashlib
import io
import json
import random
import threading
import tracemalloc
from dataclasses import replace
from datetime import timedelta
from typing import Any, BinaryIO

import pytest

from consentmilter.errors import UsageError
from consentmilter.model import Assertion, Reason
from consentmilter.service import exporting
from consentmilter.service.changes import changes, end
from consentmilter.service.exporting import Order, Report, export
from consentmilter.service.sorting import Sorter
from consentmilter.service.suppressions import assert_many, assert_one, begin_batch, lift
from consentmilter.store import exports
from consentmilter.store.exports import Choice
from consentmilter.store.writer import Store
from tests.files import import_rows
from tests.service.by_hand import by_hand, rows
from tests.service.test_changes import begun, people
from tests.service.test_suppressions import ALICE, CLICK, SAID, later, noon, opened
from tests.store.stores import KINDS
from tests.store.support import NOON, person, run

KEY = f"subject-1:{'00' * 16}"
EVERYTHING = Choice()

HASH_ROW = (
    "INSERT INTO hash_suppression (digest, scope, reason, list, origin, asserted_again, created) "
    "VALUES (?, '*', 'imported', 'partner', 'import', false, 1772366400)"
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


def no_progress(_part: float) -> None:
    pass


async def exported(store: Store, name: str = "jsonl", choice: Choice = EVERYTHING, **more: Any) -> tuple[str, Report]:
    """The text of an export, and its report."""
    file = io.BytesIO()
    report = await export(store, file, Order(name, choice, KEY, **more), ALICE, no_progress, now=later)
    return file.getvalue().decode(), report


def addresses(text: str) -> list[str | None]:
    return [json.loads(line).get("email") for line in text.splitlines()]


def test_everything_that_stands_is_written_in_key_order(url: str) -> None:
    """People and hash lists, with all columns; the report has the number of lines and their digest."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, replace(SAID, expires=later()), ALICE, now=noon)
            await assert_one(store, replace(SAID, subject=person(2), address=None), CLICK, now=noon)
            with by_hand(url) as hand:
                hand.execute(HASH_ROW, (bytes(20),))
            text, report = await exported(store)
            one, two, three = map(json.loads, text.splitlines())
            assert (one["email"], one["created"], one["expires"]) == (
                "one@x.example",
                "2026-03-01T12:00:00Z",
                "2026-03-01T13:00:00Z",
            )
            assert (two["subject"], two["key"], two["origin"]) == (person(2).hex(), KEY, "click")
            assert (three["digest"], three["list"]) == ("00" * 20, "partner")
            assert (report.rows, report.format) == (3, "jsonl")
            assert report.digest == hashlib.blake2b(text.encode(), digest_size=32).hexdigest()

    run(scene())


def test_each_export_is_in_the_ledger(url: str) -> None:
    """Who, the format and the filters, how many lines, and the digest of what was written."""

    async def scene() -> Report:
        async with opened(url) as store:
            await assert_one(store, SAID, ALICE, now=noon)
            choice = Choice(scopes=("acme.news",), reasons=(Reason.UNSUBSCRIBE,), after=NOON)
            return (await exported(store, "csv", choice))[1]

    report = run(scene())
    [row] = rows(
        url,
        "SELECT at, actor, source, scope, count, digest, data, length(commitment) FROM ledger "
        "JOIN ledger_evidence ON ledger_id = id WHERE action = 'export'",
    )
    at = int(later().timestamp())
    assert row[:6] == (at, "alice", "cli", "acme.news", 1, bytes.fromhex(report.digest))
    told = {"format": "csv", "scope": "acme.news", "reason": "unsubscribe", "after": "2026-03-01T12:00:00Z"}
    assert (json.loads(row[6]), row[7]) == (told, 32)


@pytest.mark.parametrize(
    ("choice", "numbers"),
    [
        (Choice(scopes=("acme",)), {1}),
        (Choice(scopes=("acme", "*")), {1, 3, 4}),
        (Choice(reasons=(Reason.COMPLAINT, Reason.LEGAL)), {2}),
        (Choice(after=NOON), {1, 2}),
        (Choice(before=NOON), {3, 4}),
        (Choice(after=NOON - timedelta(days=2), before=NOON), {4}),
        (Choice(scopes=("acme",), reasons=(Reason.COMPLAINT,)), set[int]()),
    ],
)
def test_only_what_is_chosen_is_written(url: str, choice: Choice, numbers: set[int]) -> None:
    """By scope, reason and time, each for itself and together."""

    async def scene() -> None:
        async with opened(url) as store:
            said = [
                Assertion(person(1), "p1", "acme", Reason.UNSUBSCRIBE, at=NOON),
                Assertion(person(2), "p2", "acme.news", Reason.COMPLAINT, at=NOON),
                Assertion(person(3), "p3", "*", Reason.MANUAL, at=NOON - timedelta(days=3)),
                Assertion(person(4), "p4", "*", Reason.MANUAL, at=NOON - timedelta(days=2)),
            ]
            await assert_many(store, said, ALICE, now=later)
            text, report = await exported(store, choice=choice)
            assert {json.loads(line)["domain"] for line in text.splitlines()} == {f"p{n}" for n in numbers}
            assert report.rows == len(numbers)

    run(scene())


def test_the_entries_of_an_import_are_those_that_it_made(url: str) -> None:
    """Not those that stood before; an import that there is not is refused, and leaves no trace."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_many(store, people([1]), ALICE, now=noon)
            batch = await begun(store)
            await import_rows(store, batch, people([1, 2]), ALICE, now=noon)
            text, _ = await exported(store, choice=Choice(batch=batch.id))
            assert addresses(text) == ["p2@x.example"]
            with pytest.raises(UsageError, match="no import 00"):
                await exported(store, choice=Choice(batch="00"))

    run(scene())


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_a_page_has_all_of_a_subject_or_nothing(url: str, rows: int) -> None:
    """And the pages together everything, once."""

    async def scene() -> None:
        async with opened(url) as store:
            said = [
                Assertion(person(n), None, scope, reason)
                for n in range(4)
                for scope in ("*", "acme")
                for reason in (Reason.MANUAL, Reason.LEGAL)
            ]
            await assert_many(store, said, ALICE, now=noon)
            pages, behind = [], b""
            while page := await store.read(lambda c: exports.people(c, EVERYTHING, behind, rows)):  # noqa: B023 - awaited at once
                pages.append(page)
                behind = page[-1].subject
            assert [len(page) % 4 for page in pages] == [0] * len(pages)
            assert [row.subject for page in pages for row in page] == [person(n) for n in range(4) for _ in range(4)]
            assert len(pages) == (1 if rows == 100 else 4)

    run(scene())


class Meanwhile(io.BytesIO):
    """A file during whose first write somebody else does something."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__()
        self._url = url
        self._number: int | None = number

    def write(self, octets: Any) -> int:
        if octets and self._number is not None:
            number, self._number = self._number, None
            thread = threading.Thread(target=asyncio.run, args=(self._click(number),))
            thread.start()
            thread.join(30)
        return super().write(octets)

    async def _click(self, number: int) -> None:
        async with opened(self._url) as store:
            await assert_many(store, people([number]), CLICK, now=noon)


def test_what_comes_on_the_list_during_an_export_comes_behind_its_cursor(url: str) -> None:
    """A page that was read does not have it; a cursor of the end of the export would miss it."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begun(store)
            await import_rows(store, batch, people(range(1, 6001)), ALICE, now=noon)
            file = Meanwhile(url, 0)
            report = await export(store, file, Order("jsonl", EVERYTHING, KEY), ALICE, no_progress)
            assert report.rows == 6000
            new = await changes(store, report.cursor, 10)
            assert [change.subject for change in new.items] == [person(0)]
            assert (await changes(store, await end(store), 10)).items == []

    run(scene())


def test_an_export_since_a_cursor_has_what_came_and_stands(url: str) -> None:
    """What was asserted again too; lifts are counted, and what was lifted is not there."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_many(store, people([1, 2, 3]), ALICE, now=noon)
            _, report = await exported(store)
            await assert_many(store, people([2, 4, 5]), CLICK, now=later)
            await lift(store, person(5), evidence="asked", actor=ALICE)
            await lift(store, person(1), evidence="asked", actor=ALICE)
            text, second = await exported(store, since=report.cursor)
            assert addresses(text) == ["p2@x.example", "p4@x.example"]
            assert (second.rows, second.lifted) == (2, 2)
            text, third = await exported(store, since=second.cursor)
            assert (text, third.lifted) == ("", 0)

    run(scene())


def test_the_changes_are_written_with_their_lifts(url: str) -> None:
    """Those of the scope and the reason that are meant."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, SAID, CLICK, now=noon)
            await assert_many(store, people([1]), CLICK, now=noon)
            await lift(store, person(1), "acme.news", evidence="asked", actor=ALICE, now=later)
            text, report = await exported(store, "changes", Choice(scopes=("acme.news",)))
            one, two = map(json.loads, text.splitlines())
            assert one == {
                "action": "add",
                "at": "2026-03-01T12:00:00Z",
                "subject": person(1).hex(),
                "address": "one@x.example",
                "scope": "acme.news",
                "reason": "unsubscribe",
                "origin": "click",
                "batch": None,
            }
            assert (two["action"], two["origin"], report.rows) == ("lift", "cli:alice", 2)

    run(scene())


def test_a_hash_list_is_sorted_and_has_nobody_twice(url: str) -> None:
    """With the partners' digests of the same algorithm; the same list gives the same file."""

    async def scene() -> str:
        async with opened(url) as store:
            await assert_many(store, people(range(50)), ALICE, now=noon)
            known = hashlib.sha256(b"p7@x.example").digest()
            with by_hand(url) as hand:
                for digest in (bytes(32), bytes(16), known):
                    hand.execute(HASH_ROW, (digest,))
            text, report = await exported(store, "sha256")
            assert report.rows == 51
            return text

    lines = run(scene()).splitlines()
    assert lines == sorted({hashlib.sha256(f"p{n}@x.example".encode()).hexdigest() for n in range(50)} | {"00" * 32})


@pytest.mark.parametrize("run_lines", [1, 2, 7, 100])
def test_more_lines_than_fit_in_memory_are_sorted_too(run_lines: int) -> None:
    """In runs on the disk, each line once in the end."""
    lines = [f"{number % 40:03}\n" for number in range(97)]
    random.Random(1).shuffle(lines)
    with Sorter(run_lines) as sorter:
        sorter.add(lines)
        assert list(sorter.sorted()) == [f"{number:03}\n" for number in range(40)]


class Nowhere(io.RawIOBase):
    """A file that keeps nothing."""

    def write(self, octets: Any) -> int:
        return len(octets)


def collect() -> None:
    gc.collect()


async def _peak(store: Store, file: BinaryIO) -> int:
    """The most memory in use during an export, in octets."""
    gc.freeze()  # what was there before need not be looked through with each page
    tracemalloc.start()
    try:
        # What waits for the collector is not kept; it would grow with the pages, until the collector comes.
        await export(store, file, Order("csv", EVERYTHING, KEY), ALICE, lambda _part: collect())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_memory_that_an_export_needs_does_not_grow_with_the_list(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times as many pages need as much; what is kept of each would show."""
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 500)

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begin_batch(store, "list", b"d", ALICE, "*", Reason.IMPORTED)
            await import_rows(store, batch, people(range(1_000)), ALICE)
            await _peak(store, Nowhere())  # type: ignore[arg-type]  # all that is written to
            small = await _peak(store, Nowhere())  # type: ignore[arg-type]  # all that is written to
            await import_rows(store, batch, people(range(1_000, 5_000)), ALICE)
            assert await _peak(store, Nowhere()) < 1.2 * small  # type: ignore[arg-type]  # all that is written to
            assert await _peak(store, io.BytesIO()) > 1.2 * small

    run(scene())


def test_the_csv_of_an_export_is_read_back_by_the_csv_module(url: str) -> None:
    """With a header; an address that a spreadsheet would compute is one that it shows."""

    async def scene() -> str:
        async with opened(url) as store:
            await assert_one(store, replace(SAID, address="=1+1@x.example"), ALICE, now=noon)
            return (await exported(store, "csv"))[0]

    [row] = csv.DictReader(io.StringIO(run(scene()), newline=""), strict=True)
    assert (row["email"], row["scope"], row["reason"]) == ("'=1+1@x.example", "acme.news", "unsubscribe")
