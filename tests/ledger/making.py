"""Ledgers to prove things on."""

import random
from datetime import timedelta
from functools import partial
from pathlib import Path

from consentmilter.ledger import SALT_OCTETS, Action, Entry, Evidence
from consentmilter.model import Reason
from consentmilter.service.suppressions import Actor
from consentmilter.service.verifying import Verified, verify
from consentmilter.store import entries
from consentmilter.store.writer import Store
from tests.store.stores import POSTGRES, TEMPLATE
from tests.store.support import KEYS, NOON, make_store, person

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


def new_store(kind: str, directory: Path) -> str:
    """As the store that a test gets, but for all tests of a module."""
    if kind == "sqlite":
        return make_store(directory)
    return POSTGRES.server.make_database(directory.name, TEMPLATE)


async def verified(url: str) -> Verified:
    async with Store.open(url, KEYS) as store:
        return await verify(store)
