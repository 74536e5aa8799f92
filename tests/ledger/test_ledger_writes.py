"""No change of the list without an entry that tells of it, in the same transaction."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

import consentmilter
from consentmilter.store.postgres.sessions import Writing as PostgresWriting
from consentmilter.store.schema import consent, hash_suppression, ledger, suppression
from consentmilter.store.sqlite.sessions import Writing as SqliteWriting
from consentmilter.store.writer import Store
from tests.ledger.life import Life
from tests.store.support import KEYS, put, run

STORE = Path(consentmilter.__file__).parent / "store"
WRITES = re.compile(r"(?<!def )\b(?:insert|update|delete|upsert)\(\s*(\w+)")

Job = Callable[[AsyncConnection], Awaitable[Any]]
Run = Callable[[Any, Job, float], Awaitable[Any]]

WRITERS = {
    "consents": {"consent"},
    "inserting": {"table"},
    "names": {"suppression"},
    "retention": {"table"},
    "rights": {"consent", "suppression"},
    "suppressions": {"suppression"},
    "undoing": {"table"},
}
"""Where the three tables are written to; `names` and `rights` touch the address alone there."""


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction is looked at: other rows, and no further entry, end it with a failure."""
    for kind in (SqliteWriting, PostgresWriting):
        monkeypatch.setattr(kind, "run", _watching(kind.run))


def _watching(real: Run) -> Run:
    async def watching(self: Any, job: Job, patience: float, **options: Any) -> Any:
        async def looked_at(connection: AsyncConnection) -> Any:
            rows, entries = await _state(connection)
            result = await job(connection)
            rows_after, entries_after = await _state(connection)
            assert rows == rows_after or entries_after > entries, "the list changed, and the ledger does not say so"
            return result

        return await real(self, looked_at, patience, **options)

    return watching


async def _state(connection: AsyncConnection) -> tuple[list[Any], int]:
    """The list without addresses, and how long the ledger is."""
    rows: list[Any] = []
    for table in (suppression, hash_suppression, consent):
        columns = [column for column in table.c if column.name != "address"]
        rows.append((await connection.execute(sa.select(*columns).order_by(*table.primary_key))).all())
    return rows, await connection.scalar(sa.select(sa.func.count()).select_from(ledger)) or 0


@pytest.mark.usefixtures("watched")
def test_every_way_of_changing_the_list_writes_its_entry(url: str, journal_url: str) -> None:
    """Each of them twice, so that it has something to change."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            life = Life(store, journal_url, seed=5)
            for _ in range(2):
                for way in life.ways:
                    await life.live(way)

    run(work())


@pytest.mark.usefixtures("watched")
def test_a_change_without_an_entry_would_be_noticed(url: str) -> None:
    """Such as a statement that somebody runs by itself."""

    async def work() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))

    with pytest.raises(AssertionError, match="the ledger does not say so"):
        run(work())


def test_no_other_module_writes_to_the_list() -> None:
    """A new one has to be among the ways above."""
    found: dict[str, set[str]] = {}
    for path in STORE.rglob("*.py"):
        if "migrations" in path.parts:
            continue
        tables = set(WRITES.findall(path.read_text(encoding="utf-8")))
        if of_list := tables & {"suppression", "hash_suppression", "consent", "table"}:
            found[path.stem] = of_list
    assert found == WRITERS
