"""Whatever is done to a ledger of a thousand entries behind the program's back is found."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from consentmilter import chain
from consentmilter.chain import START, link
from consentmilter.service import verifying
from consentmilter.service.verifying import Kind, _Reading
from consentmilter.store import schema, seals
from consentmilter.store.seals import Sealed
from consentmilter.store.writer import Store
from tests.ledger.making import altered, fill, unguarded, verified
from tests.store.support import KEYS, make_store

ENTRIES = 1000

After = Callable[[str], list[Sealed]]

COLUMNS = {
    "id": ["id = id + 5000"],
    "at": ["at = at + 1", "at = 'noon'", "at = at + 0.5"],
    "actor": ["actor = actor || 'x'", "actor = ''", "actor = CAST(actor AS BLOB)"],
    "source": ["source = 'click'"],
    "action": ["action = CASE action WHEN 'add' THEN 'lift' ELSE 'add' END"],
    "batch": ["batch = CASE WHEN batch IS NULL THEN '' END", "batch = coalesce(batch, '') || ' '"],
    "subject": ["subject = CASE WHEN subject IS NULL THEN zeroblob(16) END", "subject = hex(subject)"],
    "scope": ["scope = coalesce(scope, '') || '.x'", "scope = CASE WHEN scope IS NULL THEN '' END"],
    "reason": ["reason = CASE reason WHEN 'manual' THEN 'legal' ELSE 'manual' END"],
    "count": ["count = count + 1", "count = -count"],
    "digest": ["digest = CASE WHEN digest IS NULL THEN zeroblob(32) END", "digest = zeroblob(32)"],
    "commitment": ["commitment = CASE WHEN commitment IS NULL THEN zeroblob(32) END", "commitment = zeroblob(32)"],
}
"""How each column of an entry is altered, in every row at once."""

EVIDENCE = {
    "salt": ["salt = randomblob(16)", "salt = zeroblob(0)", "salt = hex(salt)"],
    "data": [
        "data = '{}'",
        "data = replace(data, 'said so', 'never said')",
        """data = replace(data, '{', '{"address": "x@example.net", ')""",
        "data = 'nonsense'",
        "data = '[]'",
    ],
    "ledger_id": ["ledger_id = ledger_id + 5000"],
}
SEALS = {"digest": ["digest = randomblob(32)", "digest = hex(digest)"], "ledger_id": ["ledger_id = -ledger_id"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger without its guards, at rest in one file."""
    directory = tmp_path_factory.mktemp("ledger")
    asyncio.run(fill(make_store(directory), ENTRIES))
    unguarded(directory / "consent.db")
    return directory / "consent.db"


@pytest.fixture(scope="module")
def places(whole: Path) -> list[Sealed]:
    """The chain as it was written."""
    return asyncio.run(_places(whole))


@pytest.fixture(scope="module")
def after(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> After:
    """The chain as it is read after a change of a column in every row."""
    copy = Path(shutil.copy(whole, tmp_path_factory.mktemp("altered") / "consent.db"))

    @cache
    def told(change: str) -> list[Sealed]:
        with altered(copy, change):
            return asyncio.run(_places(copy))

    return told


@pytest.fixture
def ledger(whole: Path, tmp_path: Path) -> Path:
    """A copy to be altered."""
    return Path(shutil.copy(whole, tmp_path / "consent.db"))


async def _places(path: Path) -> list[Sealed]:
    async with Store.open(f"sqlite:///{path}", KEYS) as store:
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


def test_an_untouched_ledger_is_good(whole: Path, places: list[Sealed]) -> None:
    """Every entry is sealed, and none is found fault with."""
    found = asyncio.run(verified(f"sqlite:///{whole}"))
    assert (found.entries, found.fault) == (ENTRIES, None)
    assert set(_kinds(places, places)) == {None}


@pytest.mark.parametrize("change", [change for changes in COLUMNS.values() for change in changes])
def test_every_column_of_every_entry_is_covered(after: After, places: list[Sealed], change: str) -> None:
    """Altered in a thousand rows, it is found in a thousand rows: where the value is another, that is."""
    told = after(f"UPDATE ledger SET {change}")
    touched = [one.entry != other.entry for one, other in zip(places, told, strict=True)]
    found = [kind is not None for kind in _kinds(places, told)]
    assert found == touched
    assert sum(touched) > ENTRIES / 20


def test_every_column_is_altered_somewhere_in_every_row(after: After, places: list[Sealed]) -> None:
    """The changes above miss no column of no row, where the row has one; the columns are all that there are."""
    for column, changes in COLUMNS.items():
        touched = [False] * ENTRIES
        for change in changes:
            told = after(f"UPDATE ledger SET {change}")
            touched = [
                before or one.entry != other.entry for before, one, other in zip(touched, places, told, strict=True)
            ]
        assert all(touched), column
    assert tuple(COLUMNS) == chain.COLUMNS == tuple(schema.ledger.c.keys())


@pytest.mark.parametrize("change", [change for changes in EVIDENCE.values() for change in changes])
def test_every_column_of_evidence_is_covered(after: After, places: list[Sealed], change: str) -> None:
    """Half blanked is altered, too."""
    told = after(f"UPDATE ledger_evidence SET {change}")
    had = [place.salt is not None for place in places]
    assert sum(had) > ENTRIES / 3
    assert [kind is Kind.EVIDENCE for kind in _kinds(places, told)] == had


def test_evidence_that_was_blanked_is_no_fault(ledger: Path) -> None:
    """It is what erasure does, and it is counted."""
    with altered(ledger, "UPDATE ledger_evidence SET salt = x'', data = '{}' WHERE ledger_id % 2 = 0"):
        found = asyncio.run(verified(f"sqlite:///{ledger}"))
    assert found.fault is None
    assert found.blanked > ENTRIES / 6


@pytest.mark.parametrize("change", [change for changes in SEALS.values() for change in changes])
def test_every_seal_is_covered(after: After, places: list[Sealed], change: str) -> None:
    """In all of its columns; its position is what the next test moves."""
    told = after(f"UPDATE seal SET {change}")
    assert None not in set(_kinds(places, told))


@pytest.mark.parametrize("number", [1, 500, 1000])
@pytest.mark.parametrize(
    ("kind", "statements"),
    [
        (Kind.ALTERED, ["UPDATE ledger SET actor = 'mallory' WHERE id = {n}"]),
        (Kind.ALTERED, ["UPDATE ledger SET actor = CAST(x'ff' AS TEXT) WHERE id = {n}"]),
        (Kind.EVIDENCE, ['INSERT OR REPLACE INTO ledger_evidence VALUES ({n}, zeroblob(16), \'{{"a": "b"}}\')']),
        (Kind.MISSING, ["DELETE FROM ledger WHERE id = {n}"]),
        (Kind.MISSING, ["UPDATE ledger SET id = 5000 WHERE id = {n}"]),
        (Kind.MISSING, ["UPDATE seal SET position = 5000 WHERE position = {n}"]),
        (Kind.MISSING, ["UPDATE seal SET position = 'x' WHERE position = {n}"]),
        (Kind.ALTERED, ["UPDATE seal SET digest = zeroblob(32) WHERE position = {n}"]),
    ],
)
def test_the_first_fault_is_named(ledger: Path, number: int, kind: Kind, statements: list[str]) -> None:
    """Wherever it is, beginning and end included."""
    with altered(ledger, *(statement.format(n=number) for statement in statements)):
        fault = asyncio.run(verified(f"sqlite:///{ledger}")).fault
    assert fault is not None
    assert str(number) in fault.text
    assert fault.kind is kind


@pytest.mark.parametrize(
    ("kind", "statements"),
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
        (Kind.EVIDENCE, ["INSERT INTO ledger_evidence VALUES (7777, zeroblob(16), '{}')"]),
        (Kind.EVIDENCE, ["DELETE FROM ledger_evidence"]),
    ],
)  # fmt: skip
def test_what_is_moved_removed_or_slipped_in_is_found(ledger: Path, kind: Kind, statements: list[str]) -> None:
    """Together with its seal or without."""
    with altered(ledger, *statements):
        fault = asyncio.run(verified(f"sqlite:///{ledger}")).fault
    assert fault is not None
    assert fault.kind is kind


def test_a_chain_that_leaves_a_column_out_would_not_be_enough(
    ledger: Path, places: list[Sealed], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds nothing in the test above fails it: without the actor in the digest, his name can be changed."""
    originals = {place.ledger_id: place.entry for place in places}

    def careless(before: bytes, entry: tuple[object, ...]) -> bytes:
        written = originals[entry[0]]  # type: ignore[index]  # the id is an int
        assert written is not None
        return link(before, (*entry[:2], written[2], *entry[3:]))

    with altered(ledger, "UPDATE ledger SET actor = 'mallory' WHERE id = 500"):
        assert asyncio.run(verified(f"sqlite:///{ledger}")).fault is not None
        monkeypatch.setattr(verifying, "link", careless)
        assert asyncio.run(verified(f"sqlite:///{ledger}")).fault is None
