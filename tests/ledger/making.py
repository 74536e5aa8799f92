"""Ledgers to prove things on, and hands that alter them as no part of the program does."""

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import Reason
from consentmilter.service.suppressions import Actor
from consentmilter.service.verifying import Verified, verify
from consentmilter.store import entries
from consentmilter.store.writer import Store
from tests.store.support import KEYS, NOON, person

ALICE = Actor("alice", "cli")
CHUNK = (Action.IMPORT, Action.EXPORT, Action.PRUNE, Action.CHECKPOINT)


def entry(number: int, dice: random.Random) -> Entry:
    """Some entry, with everything in it that an entry of its kind can have."""
    action = dice.choice([*Action])
    at = NOON + timedelta(minutes=number)
    if action in CHUNK:
        return Entry(at, "alice", "cli", action, f"batch {number}", count=number + 2, digest=dice.randbytes(32))
    said = {"address": f"p{number}@example.net", "evidence": f"said so {number}"}
    evidence = Evidence(dice.randbytes(SALT_OCTETS), said) if number % 3 else None
    return Entry(
        at, "alice", "cli", action,
        batch=f"batch {number}" if number % 7 == 0 else None, subject=person(number), scope="acme.news",
        reason=dice.choice([*Reason]), commitment=evidence.commitment() if evidence else None, evidence=evidence,
    )  # fmt: skip


async def fill(url: str, count: int) -> None:
    """Write so many entries, some at a time."""
    dice = random.Random(count)
    async with Store.open(url, KEYS) as store:
        for start in range(0, count, 100):
            told = [entry(number, dice) for number in range(start, min(start + 100, count))]
            await store.write(partial(entries.append_all, told=told))


async def verified(url: str) -> Verified:
    async with Store.open(url, KEYS) as store:
        return await verify(store)


def unguarded(path: Path) -> None:
    """Take the triggers away, as whoever can write to the file can."""
    with closing(sqlite3.connect(path)) as database, database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")


@contextmanager
def altered(path: Path, *statements: str) -> Iterator[None]:
    """The database after these statements, and afterwards as it was."""
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        with database:
            for statement in statements:
                assert database.execute(statement).rowcount != 0, statement
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        yield
    finally:
        for leftover in ("-wal", "-shm"):
            path.with_name(path.name + leftover).unlink(missing_ok=True)
        path.write_bytes(before)
