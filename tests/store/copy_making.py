"""Stores to copy: with rows in every table that there is, and what such a store holds."""

from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consentmilter.service.copying import Copying
from consentmilter.store.copies import Copied, Row, Stretch, core_tables
from consentmilter.store.databases import database
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import CORE_METADATA, JOURNAL, key_check
from consentmilter.store.writer import Store
from tests.ledger.life import Life
from tests.store.stores import POSTGRES
from tests.store.support import KEYS, make_store, put, run, shell, subjects

NONCE = bytes(16)
LENGTHS = {"hash": 4}
"""Octets of columns that have not 16 of them."""


def new_target(kind: str, directory: Path, name: str = "target.db") -> str:
    """The URL of a database with the tables and nothing in them."""
    url = POSTGRES.database("template0") if kind == "postgresql" else f"sqlite:///{directory / name}"
    migrate(url)
    return url


def lived_in(directory: Path) -> Path:
    """A store to which everything happened that changes one, and that has something in all other tables."""
    url, journal_url = make_store(directory), f"sqlite:///{directory / 'journal.db'}"
    migrate(journal_url, JOURNAL)

    async def live() -> None:
        async with Store.open(url, KEYS) as store:
            life = Life(store, journal_url, seed=1)
            for way in life.ways:
                await life.live(way)

    run(live())
    database(url).make(_fill)
    return directory / "consent.db"


def _fill(connection: sa.Connection) -> None:
    for table in CORE_METADATA.sorted_tables:
        if not connection.scalar(sa.select(sa.func.count()).select_from(table)):
            rows = [{column.name: _value(column, number) for column in table.columns} for number in range(3)]
            connection.execute(sa.insert(table), rows)


def _value(column: sa.Column[Any], number: int) -> object:
    match column.type:
        case sa.LargeBinary():
            return number.to_bytes(LENGTHS.get(column.name, 16))
        case sa.Boolean():
            return bool(number % 2)
        case sa.BigInteger():
            return 2**40 + number
    return f"{column.name} {number} äßİ€" if number or not column.nullable else None


def held(url: str) -> dict[str, list[Row]]:
    """Every row of every table, keys of the check values included."""
    tables = [*core_tables(), Copied(key_check)]
    return database(url).look(
        lambda connection: {table.name: table.rows(connection, Stretch(None, None)) for table in tables}
    )


def copying(source: str, target: str) -> Copying:
    """A copy that has begun."""
    copy = Copying(database(source), database(target), KEYS)
    copy.check()
    copy.accept()
    copy.begin(NONCE)
    return copy


def moved(source: str, target: str) -> Copying:
    """A copy that is finished, in one go."""
    copy = copying(source, target)
    copy.finish(quiet)
    return copy


def quiet(_part: float) -> None:
    """Show no progress."""


def unmarked(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """The same without marks."""
    return rows | {key_check.name: [row for row in rows[key_check.name] if row[0] in KEYS]}


async def add(url: str, number: int) -> None:
    """Suppress somebody."""
    async with Store.open(url, KEYS) as store:
        await store.write(put(number))


async def listed(url: str) -> set[bytes]:
    """Who is suppressed."""
    async with Store.open(url, KEYS) as store:
        return await store.read(subjects)


def alter(url: str, statement: str) -> None:
    """Change a file as no part of the program does."""
    with shell(Path(url.removeprefix("sqlite:///"))) as connection:
        connection.execute(statement)
