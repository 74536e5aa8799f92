"""Processes killed while they write: what was acknowledged is there, the database is whole, and work can go on."""

import random

import pytest

from consentmilter.store.writer import Store
from tests.store.stores import both_stores
from tests.store.support import KEYS, child, put, run, seen, subjects

ONE_CHANGE = """
import asyncio, sys
from consentmilter.store.writer import Store
from tests.store.support import KEYS, put

async def main(url, acknowledge):
    async def job(connection):
        await put(1)(connection)
        if acknowledge == "before":
            print("acknowledged", flush=True)
            await asyncio.sleep(60)
    async with Store.open(url, KEYS) as store:
        await store.write(job)
        print("acknowledged", flush=True)
        await asyncio.sleep(60)
asyncio.run(main(sys.argv[1], sys.argv[2]))
"""

MANY_CHANGES = """
import asyncio, sys
from consentmilter.store.writer import Store
from tests.store.support import KEYS, put

async def main(url, first):
    async with Store.open(url, KEYS) as store:
        for number in range(first, first + 100_000, 3):
            await store.write(put(number, number + 1, number + 2))
            print(number, flush=True)
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""

ROUNDS = {"sqlite": 6, "postgresql": 2}


pytestmark = both_stores


@pytest.mark.parametrize(("acknowledge", "there"), [("after", 1), ("before", 0)])
def test_a_change_survives_a_kill_once_it_is_acknowledged(url: str, acknowledge: str, there: int) -> None:
    """Killed at the very moment of the acknowledgement; one that spoke before the commit would have lied."""
    with child(ONE_CHANGE, url, acknowledge) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "acknowledged\n"
    assert seen(url, "SELECT count(*) FROM suppression") == [(there,)]


def test_kills_at_random_moments_lose_nothing_and_leave_no_half_change(url: str, kind: str) -> None:
    """Each change is three rows; after each kill the next process writes on without help."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    told: set[int] = set()
    for turn in range(ROUNDS[kind]):
        first = turn * 1_000_000
        with child(MANY_CHANGES, url, first) as process:
            assert process.stdout is not None
            for _ in range(dice.randrange(1, 40)):
                told.add(int(process.stdout.readline()))
            process.kill()
            told.update(int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith("\n"))
        assert kind != "sqlite" or seen(url, "PRAGMA integrity_check") == [("ok",)]
        there = {int.from_bytes(row[0]) for row in seen(url, "SELECT subject FROM suppression")}
        begun = {number for number in there if number % 1_000_000 % 3 == 0}
        assert told <= begun, f"seed {seed}"
        assert there == {number + more for number in begun for more in range(3)}, f"seed {seed}"
    assert len(told) >= ROUNDS[kind]


def test_a_kill_under_the_lock_frees_it(url: str) -> None:
    """The kernel drops a flock with its process, and a server what a connection held: nobody has to clean up."""
    with child(ONE_CHANGE, url, "before") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "acknowledged\n"

    async def scene() -> None:
        async with Store.open(url, KEYS, lock_timeout=1.0) as store:
            await store.write(put(2))
            assert len(await store.read(subjects)) == 1

    run(scene())
