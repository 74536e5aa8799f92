"""The feed: what a reader sees who goes on from cursor to cursor."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.errors import UsageError
from consentmilter.model import Assertion, Reason
from consentmilter.service.changes import Change, Page, changes, end
from consentmilter.service.suppressions import Actor, assert_many, assert_one, begin_batch, lift
from consentmilter.store.batches import Batch
from consentmilter.store.writer import Store
from tests.files import import_rows
from tests.service.by_hand import by_hand, rows
from tests.service.emptied import emptied_store
from tests.service.test_suppressions import ALICE, CLICK, SAID, later, noon, opened
from tests.store.stores import KINDS, new_store
from tests.store.support import NOON, person, run
from tests.unit.making import examples

DIGEST = b"digest of a file"


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


def people(numbers: Sequence[int]) -> list[Assertion]:
    return [Assertion(person(n), f"p{n}@x.example", "*", Reason.IMPORTED, at=NOON) for n in numbers]


def made(directory: Path) -> Path:
    directory.mkdir()
    return directory


async def begun(store: Store, digest: bytes = DIGEST) -> Batch:
    return await begin_batch(store, "list.csv", digest, ALICE, "*", Reason.IMPORTED, now=noon)


async def everything(store: Store, cursor: str | None = None, limit: int = 1000) -> tuple[list[Change], str]:
    """All changes behind the cursor, page by page, and the cursor of the end."""
    items: list[Change] = []
    while True:
        page = await changes(store, cursor, limit)
        assert len(page.items) <= limit
        items += page.items
        cursor = page.cursor
        if not page.more:
            return items, cursor


def told(items: Sequence[Change]) -> list[tuple[Any, ...]]:
    """What was done to whom, in short."""
    return [(item.action, int.from_bytes(item.subject)) for item in items]


def test_a_change_says_what_its_ledger_entry_says(url: str) -> None:
    """With the address, and who it was."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, SAID, ALICE, now=noon)
            await assert_one(store, SAID, CLICK, now=later)
            await lift(store, person(1), evidence="asked", actor=ALICE, now=later)
            items, _ = await everything(store)
            first = Change(NOON, "add", person(1), "one@x.example", "acme.news", Reason.UNSUBSCRIBE, "cli:alice", None)
            again = replace(first, at=later(), action="repeat", origin="click")
            assert items == [first, again, replace(again, action="lift", origin="cli:alice")]

    run(scene())


def test_an_address_that_came_later_is_told(url: str) -> None:
    """A click brings none; the milter fills it in. One that was erased is not told any more."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_one(store, replace(SAID, address=None), CLICK, now=noon)
            assert (await everything(store))[0][0].address is None
            with by_hand(url) as hand:
                hand.execute("UPDATE suppression SET address = 'one@x.example'")
            assert (await everything(store))[0][0].address == "one@x.example"

    run(scene())


def test_the_cursor_of_the_end_gives_only_what_is_new(url: str) -> None:
    """Again and again, on an empty list as well."""

    async def scene() -> None:
        async with opened(url) as store:
            nothing, cursor = await everything(store)
            assert (nothing, cursor) == ([], await end(store))
            for number in range(1, 4):
                await assert_many(store, people([number]), ALICE, now=noon)
                items, cursor = await everything(store, cursor)
                assert told(items) == [("add", number)]
                assert cursor == await end(store)
                assert await changes(store, cursor, 10) == Page([], cursor, more=False)

    run(scene())


def test_an_import_is_a_change_for_each_of_its_entries(url: str) -> None:
    """Once, however many chunks it had, at the place of the last; what others had made is not its."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_many(store, people([1]), ALICE, now=noon)
            batch = await begun(store)
            for chunk in ([1, 2], [3, 4], [5]):
                await import_rows(store, batch, people(chunk), ALICE, now=later)
            items, _ = await everything(store)
            assert told(items) == [("add", 1), *(("import", n) for n in range(2, 6))]
            assert {(item.at, item.origin, item.batch) for item in items[1:]} == {(later(), "import", batch.id)}
            assert items[1].address == "p2@x.example"

    run(scene())


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_small_pages_tell_the_same_as_one_large(url: str, limit: int) -> None:
    """A cursor can stand in the middle of an import, too."""

    async def scene() -> None:
        async with opened(url) as store:
            await assert_many(store, people(range(100, 103)), ALICE, now=noon)
            batch = await begun(store)
            await import_rows(store, batch, people(range(7)), ALICE, now=later)
            other = await begun(store, b"other")
            await import_rows(store, other, people(range(10, 13)), ALICE, now=later)
            await lift(store, person(101), evidence="asked", actor=ALICE, now=later)
            whole = await everything(store)
            assert await everything(store, limit=limit) == whole
            assert len(whole[0]) == 14

    run(scene())


def test_what_was_lifted_comes_as_a_lift_and_not_with_its_import(url: str) -> None:
    """Whoever takes every change in order has in the end what the list has."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begun(store)
            await import_rows(store, batch, people([1, 2]), ALICE, now=later)
            await lift(store, person(1), evidence="asked", actor=ALICE, now=later)
            assert told((await everything(store))[0]) == [("import", 2), ("lift", 1)]

    run(scene())


def test_an_import_that_goes_on_tells_its_entries_again(url: str) -> None:
    """None is missed, whatever had been read of it."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begun(store)
            await import_rows(store, batch, people(range(4)), ALICE, now=noon)
            page = await changes(store, None, 2)
            await import_rows(store, batch, people(range(4, 6)), ALICE, now=later)
            items, _ = await everything(store, page.cursor)
            assert {change.subject for change in page.items + items} == {person(n) for n in range(6)}

    run(scene())


@pytest.mark.parametrize(
    "cursor", ["", "x", "AQ", "AAAA", "=" * 40, "ü", base64.urlsafe_b64encode(bytes(17)).decode(), "A" * 4000]
)
def test_a_text_that_is_no_cursor_is_refused(url: str, cursor: str) -> None:
    """With a sentence, and not with another place than was meant."""

    async def scene() -> None:
        async with opened(url) as store:
            with pytest.raises(UsageError, match="cursor"):
                await changes(store, cursor, 10)

    run(scene())


def test_a_cursor_with_a_changed_character_is_refused(url: str) -> None:
    """Wherever it is: that of an entry, and that within an import."""

    async def scene() -> None:
        async with opened(url) as store:
            batch = await begun(store)
            await import_rows(store, batch, people(range(4)), ALICE, now=noon)
            for cursor in (await end(store), (await changes(store, None, 2)).cursor):
                for at in range(len(cursor)):
                    other = cursor[:at] + ("B" if cursor[at] != "B" else "C") + cursor[at + 1 :]
                    with pytest.raises(UsageError, match="cursor"):
                        await changes(store, other, 10)

    run(scene())


def test_a_cursor_of_a_list_that_was_set_back_is_refused(kind: str, tmp_path: Path) -> None:
    """What happened in between is gone, and changes would be missed in silence until its number came again."""

    async def scene() -> None:
        async with opened(new_store(kind, made(tmp_path / "before"))) as store:
            await assert_many(store, people([1, 2]), ALICE, now=noon)
            cursor = await end(store)
        async with opened(new_store(kind, made(tmp_path / "after"))) as store:
            for number in range(3):
                with pytest.raises(UsageError, match="not of this list"):
                    await changes(store, cursor, 10)
                await assert_many(store, people([number]), ALICE, now=later)

    run(scene())


def test_a_page_of_nothing_is_refused(url: str) -> None:
    """It would never come to an end."""

    async def scene() -> None:
        async with opened(url) as store:
            with pytest.raises(UsageError, match="at least one"):
                await changes(store, None, 0)

    run(scene())


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "lift", "import", "again", "read"]), st.integers(1, 5)), min_size=1, max_size=25
)


async def _step(store: Store, step: str, number: int) -> None:
    match step:
        case "add":
            await assert_many(store, people([number]), Actor("", "click"), now=noon)
        case "lift":
            await lift(store, person(number), evidence="asked", actor=ALICE, now=later)
        case "import":  # each digest is an import of its own, which goes on where it comes again
            await import_rows(store, await begun(store, bytes([number])), people([number, number + 1]), ALICE, now=noon)
        case "again":
            await import_rows(store, await begun(store, b"one"), people([number]), ALICE, now=noon)


@pytest.mark.parametrize("kind", KINDS)
@examples(15)
@given(steps=STEPS, limit=st.integers(1, 4))
def test_whoever_follows_the_feed_has_what_the_list_has(
    kind: str, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], limit: int
) -> None:
    """Whatever happens in which order, and wherever reading stops in between."""

    async def scene() -> None:
        copy: set[bytes] = set()
        cursor: str | None = None
        url = emptied_store(kind, tmp_path_factory.mktemp("feed"))
        async with opened(url) as store:
            for step, number in [*steps, ("end", 0)]:
                if step == "read":
                    page = await changes(store, cursor, limit)
                    _follow(copy, page.items)
                    cursor = page.cursor
                await _step(store, step, number)
            items, cursor = await everything(store, cursor, limit)
            _follow(copy, items)
        assert copy == {subject for (subject,) in rows(url, "SELECT subject FROM suppression")}

    asyncio.run(scene())


def _follow(copy: set[bytes], items: Sequence[Change]) -> None:
    for item in items:
        if item.action == "lift":
            copy.discard(item.subject)
        else:
            copy.add(item.subject)
