"""The chain as it grows: every entry sealed with its change, an old ledger at the first, and checkpoints of it."""

import asyncio
import sqlite3
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.chain import COLUMNS, START, link
from consentmilter.checkpoints import Checkpoint
from consentmilter.errors import StoreError, UsageError
from consentmilter.model import Assertion, Reason
from consentmilter.service.sealing import make_checkpoint, seal_all
from consentmilter.service.suppressions import assert_many, assert_one
from consentmilter.service.verifying import Kind, verify
from consentmilter.store.writer import Store
from tests.ledger.alterations import said as in_words
from tests.ledger.alterations import unguarded
from tests.ledger.making import ALICE, fill
from tests.service.by_hand import by_hand, rows
from tests.store.support import KEYS, NOON, person, run

ENTRY = (1, 1772366400, "alice", "cli", "add", None, person(1), "acme", "manual", 1, None, bytes(32))

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.binary(max_size=9), st.text(max_size=9))
ENTRIES = st.tuples(*[VALUES] * len(COLUMNS))


def said(number: int) -> Assertion:
    return Assertion(person(number), None, "acme", Reason.MANUAL, evidence="called")


def test_the_first_digest_is_the_one_that_older_chains_begin_with() -> None:
    """The encoding never changes."""
    assert link(START, ENTRY).hex() == "76005b684ec168f54450eac7e47b2bc1ac3ee51c19a7db563cb762db3b6e01a0"


@settings(max_examples=300)
@given(one=ENTRIES, other=ENTRIES)
def test_no_two_entries_are_written_alike(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    """Kinds and lengths count: 1 is not "1", and nothing moves from one column into the next."""
    same = [(type(value), value) for value in one] == [(type(value), value) for value in other]
    assert (link(START, one) == link(START, other)) == same


def test_a_value_that_no_entry_has_is_refused() -> None:
    """It cannot have been written by this program."""
    with pytest.raises(ValueError, match=r"1\.5"):
        link(START, (1.5,))


def test_every_change_is_sealed_when_it_is_committed(url: str) -> None:
    """By several processes in turn, too: each goes on from where the other was."""

    async def work() -> None:
        async with Store.open(url, KEYS) as one, Store.open(url, KEYS) as other:
            for number in range(20):
                await asyncio.gather(
                    assert_one(one, said(number), ALICE), assert_many(other, [said(number), said(100)], ALICE)
                )
                assert _unsealed(url) == 0
            found = await verify(one)
            assert (found.entries, found.fault) == (60, None)

    run(work())


def test_a_change_that_does_not_come_to_pass_leaves_no_seal(url: str) -> None:
    """It is in the transaction of the change."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await assert_one(store, said(1), ALICE)
            with pytest.raises(ValueError, match="salt"):
                await assert_many(store, [said(2), said(3)], ALICE, random=lambda _octets: b"")
            await assert_one(store, said(4), ALICE)
            assert (await verify(store)).entries == 2

    run(work())
    assert _unsealed(url) == 0


def test_a_ledger_that_is_older_than_the_chain_is_sealed_at_the_first_change(url: str) -> None:
    """All of it, in the order in which it was written; or when somebody asks for it."""
    asyncio.run(fill(url, 2500))
    unguarded(url)
    for how in ("a change", "asked for"):
        with by_hand(url) as hand:
            hand.execute("DELETE FROM seal")

        async def work(how: str = how) -> int:
            async with Store.open(url, KEYS) as store:
                before = await verify(store)
                assert before.fault is not None
                assert before.fault.kind is Kind.UNSEALED
                if how == "a change":
                    await assert_one(store, said(1), ALICE)
                else:
                    assert (await seal_all(store)).new == 2501
                after = await verify(store)
                assert after.fault is None
                return after.entries

        assert run(work()) == 2501


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE seal SET digest = ZERO32",
        "DELETE FROM seal",
        "INSERT INTO seal VALUES (1, 1, ZERO32) ON CONFLICT (position) DO UPDATE SET digest = excluded.digest",
        "UPDATE ledger SET actor = 'x'",
        "DELETE FROM ledger",
        "UPDATE ledger_evidence SET data = '{}'",
        "UPDATE ledger_evidence SET salt = NONE",
        "DELETE FROM ledger_evidence",
    ],
)
def test_the_database_itself_refuses_to_rewrite_the_ledger(url: str, kind: str, statement: str) -> None:
    """Whoever asks it; blanking evidence whole is all that it lets happen."""
    asyncio.run(fill(url, 20))
    with by_hand(url) as hand:
        with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError), match=r"append-only|only be blanked"):
            hand.execute(in_words(kind, statement))
        hand.execute(in_words(kind, "UPDATE ledger_evidence SET salt = NONE, data = '{}'"))


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "statement",
    ["INSERT OR REPLACE INTO seal VALUES (1, 1, zeroblob(32))", "REPLACE INTO ledger_evidence VALUES (2, x'', '{}')"],
)
def test_sqlite_refuses_to_replace_entries(url: str, statement: str) -> None:
    """Which deletes without asking a trigger of deletions."""
    asyncio.run(fill(url, 20))
    with by_hand(url) as hand, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        hand.execute(statement)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
@pytest.mark.parametrize("tables", ["ledger, ledger_evidence", "ledger_evidence", "seal"])
def test_postgresql_refuses_to_empty_a_table_at_once(url: str, tables: str) -> None:
    """Which removes rows without asking a trigger of rows."""
    asyncio.run(fill(url, 20))
    with by_hand(url) as hand, pytest.raises(psycopg.IntegrityError, match="append-only"):
        hand.execute(f"TRUNCATE {tables}")


def test_a_checkpoint_tells_a_ledger_that_was_written_anew(url: str) -> None:
    """Where all digests fit each other again, only it does."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await assert_one(store, said(1), ALICE)
            kept = await make_checkpoint(store, ALICE, now=lambda: NOON + timedelta(microseconds=7))
            assert Checkpoint.parse(kept.render()) == kept
            await assert_one(store, said(2), ALICE)
            assert (await verify(store, kept)).fault is None
            unguarded(url)
            with by_hand(url) as hand:
                hand.execute("UPDATE ledger SET actor = 'mallory' WHERE id = 1")
                hand.execute("DELETE FROM seal")
            await seal_all(store)
            assert (await verify(store)).fault is None
            found = (await verify(store, kept)).fault
            assert found is not None
            assert (found.kind, found.position) == (Kind.CHECKPOINT, 1)

    run(work())


def test_a_checkpoint_tells_a_ledger_that_was_cut_off(url: str) -> None:
    """As a backup that was put back is."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await assert_one(store, said(1), ALICE)
            kept = await make_checkpoint(store, ALICE)
            longer = Checkpoint(kept.position + 5, kept.digest, kept.at)
            found = (await verify(store, longer)).fault
            assert found is not None
            assert (found.kind, found.position) == (Kind.MISSING, 3)

    run(work())


def test_the_chain_is_read_some_entries_at_a_time(url: str) -> None:
    """And the share that is done grows to the whole."""
    asyncio.run(fill(url, 2500))
    shares: list[float] = []

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await verify(store, progress=shares.append)

    run(work())
    assert shares == [0.4, 0.8, 1.0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("checkpoint 1", "checkpoint 2"),
        lambda text: text.replace("position", "Position"),
        lambda text: text.replace("digest a", "digest g"),
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: text.replace("2026-03-01", "2026-13-01"),
        lambda text: text[:20],
    ],
)
def test_what_is_no_checkpoint_is_refused(change: object) -> None:
    """Every octet counts, since a signature stands for them."""
    text = Checkpoint(7, bytes([0xA1]) * 32, NOON).render()
    assert Checkpoint.parse(text).position == 7
    with pytest.raises(UsageError, match="no checkpoint"):
        Checkpoint.parse(change(text))  # type: ignore[operator]  # a function of the table above


@pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
def test_a_store_that_cannot_be_read_is_no_answer(url: str, database: Path) -> None:
    """It raises, and does not say that an entry was altered."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await assert_one(store, said(1), ALICE)
            await asyncio.to_thread(database.rename, database.with_name("away.db"))
            with pytest.raises(StoreError):
                await verify(store)
            await asyncio.to_thread(database.with_name("away.db").rename, database)

    run(work())


def _unsealed(url: str) -> int:
    [(count,)] = rows(url, "SELECT count(*) FROM ledger WHERE id NOT IN (SELECT ledger_id FROM seal)")
    return int(count)
