"""Whatever is done to a ledger of a thousand entries behind the program's back is found."""

import asyncio
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from consentmilter import chain
from consentmilter.chain import START, link
from consentmilter.service import verifying
from consentmilter.service.verifying import Kind, _Reading
from consentmilter.store import schema, seals
from consentmilter.store.seals import Sealed
from consentmilter.store.writer import Store
from tests.ledger.alterations import COLUMNS, altered, changes, said, unguarded
from tests.ledger.making import fill, new_store, verified
from tests.store.stores import KINDS
from tests.store.support import KEYS

ENTRIES = 1000

Whole = Callable[[str], str]
"""The URL of a ledger without its guards, in that kind of database."""

Places = Callable[[str], list[Sealed]]

After = Callable[[str, str], list[Sealed]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """One of each kind; who alters it puts it back."""

    @cache
    def made(kind: str) -> str:
        url = new_store(kind, tmp_path_factory.mktemp("ledger"))
        asyncio.run(fill(url, ENTRIES))
        unguarded(url)
        return url

    return made


@pytest.fixture(scope="module")
def places(whole: Whole) -> Places:
    """The chain as it was written."""
    return cache(lambda kind: asyncio.run(_places(whole(kind))))


@pytest.fixture(scope="module")
def after(whole: Whole) -> After:
    """The chain as it is read after a change of a column in every row."""

    @cache
    def told(kind: str, change: str) -> list[Sealed]:
        with altered(whole(kind), change):
            return asyncio.run(_places(whole(kind)))

    return told


@pytest.fixture
def ledger(whole: Whole, kind: str) -> str:
    """The URL of a ledger to be altered."""
    return whole(kind)


async def _places(url: str) -> list[Sealed]:
    async with Store.open(url, KEYS) as store:
        return await store.read(lambda connection: seals.places(connection, 0, ENTRIES + 1))


def _kinds(places: list[Sealed], told: list[Sealed]) -> Iterator[Kind | None]:
    """What is found at each place, all before it being as it was written."""
    for number, place in enumerate(told):
        reading = _Reading(None)
        reading.position = number
        before = places[number - 1].digest if number else START
        assert isinstance(before, bytes)
        reading.digest = before
        reading.take(place)
        yield reading.fault.kind if reading.fault else None


def test_an_untouched_ledger_is_good(ledger: str, kind: str, places: Places) -> None:
    """Every entry is sealed, and none is found fault with."""
    found = asyncio.run(verified(ledger))
    assert (found.entries, found.fault) == (ENTRIES, None)
    assert set(_kinds(places(kind), places(kind))) == {None}


def test_the_chain_is_the_same_in_every_kind_of_database(places: Places) -> None:
    """So that a ledger can move from one to another under its checkpoints."""
    one, other = (places(kind) for kind in KINDS)
    assert [place.digest for place in one] == [place.digest for place in other]


@pytest.mark.parametrize(("kind", "change"), changes("ledger"))
def test_every_column_of_every_entry_is_covered(after: After, places: Places, kind: str, change: str) -> None:
    """Altered in a thousand rows, it is found in a thousand rows: where the value is another, that is."""
    told = after(kind, change)
    touched = [one.entry != other.entry for one, other in zip(places(kind), told, strict=True)]
    found = [fault is not None for fault in _kinds(places(kind), told)]
    assert found == touched
    assert sum(touched) > ENTRIES / 20


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_is_altered_somewhere_in_every_row(after: After, places: Places, kind: str, column: str) -> None:
    """The changes above miss no column of no row, where the row has one."""
    touched = [False] * ENTRIES
    for change in (change for its, change in changes("ledger", column) if its == kind):
        told = after(kind, change)
        touched = [
            before or one.entry != other.entry for before, one, other in zip(touched, places(kind), told, strict=True)
        ]
    assert all(touched)


def test_the_columns_are_all_that_there_are() -> None:
    """In the chain, and in the table."""
    assert tuple(COLUMNS) == chain.COLUMNS == tuple(schema.ledger.c.keys())


@pytest.mark.parametrize(("kind", "change"), changes("ledger_evidence"))
def test_every_column_of_evidence_is_covered(after: After, places: Places, kind: str, change: str) -> None:
    """Half blanked is altered, too."""
    told = after(kind, change)
    had = [place.salt is not None for place in places(kind)]
    assert sum(had) > ENTRIES / 3
    assert [fault is Kind.EVIDENCE for fault in _kinds(places(kind), told)] == had


def test_evidence_that_was_blanked_is_no_fault(ledger: str, kind: str) -> None:
    """It is what erasure does, and it is counted."""
    with altered(ledger, said(kind, "UPDATE ledger_evidence SET salt = NONE, data = '{}' WHERE ledger_id % 2 = 0")):
        found = asyncio.run(verified(ledger))
    assert found.fault is None
    assert found.blanked > ENTRIES / 6


@pytest.mark.parametrize(("kind", "change"), changes("seal"))
def test_every_seal_is_covered(after: After, places: Places, kind: str, change: str) -> None:
    """In all of its columns; its position is what the next test moves."""
    assert None not in set(_kinds(places(kind), after(kind, change)))


FIRST = [
    (Kind.ALTERED, "UPDATE ledger SET actor = 'mallory' WHERE id = {n}"),
    (
        Kind.EVIDENCE,
        (
            "INSERT INTO ledger_evidence VALUES ({n}, ZERO16, '[1]') "
            "ON CONFLICT (ledger_id) DO UPDATE SET salt = excluded.salt, data = excluded.data"
        ),
    ),
    (Kind.MISSING, "DELETE FROM ledger WHERE id = {n}"),
    (Kind.MISSING, "UPDATE ledger SET id = 5000 WHERE id = {n}"),
    (Kind.MISSING, "UPDATE seal SET position = 5000 WHERE position = {n}"),
    (Kind.ALTERED, "UPDATE seal SET digest = ZERO32 WHERE position = {n}"),
]
FIRST_IN_SQLITE = [
    (Kind.ALTERED, "UPDATE ledger SET actor = CAST(x'ff' AS TEXT) WHERE id = {n}"),
    (Kind.MISSING, "UPDATE seal SET position = 'x' WHERE position = {n}"),
]


@pytest.mark.parametrize("number", [1, 500, 1000])
@pytest.mark.parametrize(
    ("kind", "fault", "statement"),
    [(kind, *each) for kind in KINDS for each in FIRST] + [("sqlite", *each) for each in FIRST_IN_SQLITE],
)
def test_the_first_fault_is_named(whole: Whole, number: int, kind: str, fault: Kind, statement: str) -> None:
    """Wherever it is, beginning and end included."""
    with altered(whole(kind), said(kind, statement.format(n=number))):
        found = asyncio.run(verified(whole(kind))).fault
    assert found is not None
    assert str(number) in found.text
    assert found.kind is fault


@pytest.mark.parametrize(
    ("fault", "statements"),
    [
        (Kind.ALTERED, [
            "UPDATE seal SET ledger_id = -ledger_id WHERE ledger_id IN (7, 8)",
            "UPDATE seal SET ledger_id = 15 + ledger_id WHERE ledger_id < 0",
        ]),
        (Kind.ALTERED, [
            "UPDATE ledger SET id = -id WHERE id IN (5, 6)",
            "UPDATE ledger SET id = 11 + id WHERE id < 0",
        ]),
        (Kind.MISSING, ["DELETE FROM ledger WHERE id = 1000", "DELETE FROM seal WHERE ledger_id = 1000"]),
        (Kind.MISSING, ["DELETE FROM ledger WHERE id > 900", "DELETE FROM seal WHERE ledger_id > 900"]),
        (Kind.MISSING, ["DELETE FROM ledger WHERE id = 500", "DELETE FROM seal WHERE ledger_id = 500"]),
        (Kind.ALTERED, [
            "DELETE FROM ledger WHERE id = 500",
            "DELETE FROM seal WHERE ledger_id = 500",
            "UPDATE seal SET position = position - 1 WHERE position > 500",
        ]),
        (Kind.UNSEALED, ["DELETE FROM seal WHERE position = 1000"]),
        (Kind.UNSEALED, ["DELETE FROM seal"]),
        (Kind.UNSEALED, ["INSERT INTO ledger (at, actor, source, action, count) VALUES (1, 'x', 'cli', 'add', 1)"]),
        (Kind.EVIDENCE, ["INSERT INTO ledger_evidence VALUES (7777, ZERO16, '{}')"]),
        (Kind.EVIDENCE, ["DELETE FROM ledger_evidence"]),
    ],
)  # fmt: skip
def test_what_is_moved_removed_or_slipped_in_is_found(
    ledger: str, kind: str, fault: Kind, statements: list[str]
) -> None:
    """Together with its seal or without."""
    with altered(ledger, *(said(kind, statement) for statement in statements)):
        found = asyncio.run(verified(ledger)).fault
    assert found is not None
    assert found.kind is fault


def test_a_chain_that_leaves_a_column_out_would_not_be_enough(
    ledger: str, kind: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds nothing in the test above fails it: without the actor in the digest, his name can be changed."""
    originals = {place.ledger_id: place.entry for place in places(kind)}

    def careless(before: bytes, entry: tuple[object, ...]) -> bytes:
        written = originals[entry[0]]  # type: ignore[index]  # the id is an int
        assert written is not None
        return link(before, (*entry[:2], written[2], *entry[3:]))

    with altered(ledger, "UPDATE ledger SET actor = 'mallory' WHERE id = 500"):
        assert asyncio.run(verified(ledger)).fault is not None
        monkeypatch.setattr(verifying, "link", careless)
        assert asyncio.run(verified(ledger)).fault is None
