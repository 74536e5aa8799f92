"""What partitions change: a list of generated keys in one table, and in as many as are asked for.

Each layout is filled by COPY, then gets its primary key, is vacuumed, asked, added to, and vacuumed again after a part
was removed. Rows are those that an import makes, without addresses. Raises `psycopg.Error` for what the server says.
"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from statistics import median, quantiles

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from consentmilter.keys import SUBJECT_OCTETS
from consentmilter.store.schema import suppression

BATCH = 10_000
"""Rows of one transaction, as in an import."""

ASKED = 2000
KEYS = 4
"""Subjects of a look-up: the address, its domain, and two parents."""

_COLUMNS = "subject, scope, reason, origin, asserted_again, created"
_ROW = "\\\\x{}\t*\timported\timport\tf\t1772323200\n"


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to keep the list: in so many partitions by the subject's hash, or in one table for 0."""

    partitions: int

    @property
    def name(self) -> str:
        return f"{self.partitions} partitions" if self.partitions else "one table"

    @property
    def table(self) -> str:
        return f"suppression_{self.partitions}"


@dataclass(frozen=True, slots=True)
class Result:
    """What a layout takes: rows a second, seconds, octets, microseconds a look-up (of the half, of 99 of 100)."""

    layout: Layout
    filled: float
    indexed: float
    vacuumed: float
    octets: int
    asked: float
    asked_slow: float
    added: float
    reindexed: float
    vacuumed_again: float


def measure(url: str, layout: Layout, rows: int, added: int, say: Callable[[str], object]) -> Result:
    """Make the layout in an empty database at `url`, measure it, and drop it."""
    with closing(psycopg.connect(url, autocommit=True)) as connection:
        _create(connection, layout)
        table = layout.table
        filled = rows / _seconds(lambda: _copy(connection, table, 0, rows))
        say(f"{layout.name}: filled {filled:.0f} rows/s")
        key = f"ALTER TABLE {table} ADD PRIMARY KEY (subject, scope, reason)"
        indexed = _seconds(lambda: _run(connection, key))
        vacuumed = _seconds(lambda: _run(connection, f"VACUUM (ANALYZE) {table}"))
        say(f"{layout.name}: index {indexed:.0f} s, vacuum {vacuumed:.0f} s")
        octets = _octets(connection, layout)
        waits = [1e6 * wait for wait in _ask(connection, table, rows)]
        added_rate = added / _seconds(lambda: _add(connection, table, rows, added))
        say(f"{layout.name}: half of the look-ups within {median(waits):.0f} us, added {added_rate:.0f} rows/s")
        unit = f"{table}_0" if layout.partitions else table
        reindexed = _seconds(lambda: _run(connection, f"REINDEX TABLE {unit}"))
        _run(connection, f"DELETE FROM {table} WHERE get_byte(subject, 0) < 26")  # every tenth row, all over the table
        vacuumed_again = _seconds(lambda: _run(connection, f"VACUUM {unit}"))
        say(f"{layout.name}: reindex {reindexed:.0f} s, vacuum of what was removed {vacuumed_again:.0f} s")
        _run(connection, f"DROP TABLE {table}")
    slow = quantiles(waits, n=100)[-1]
    return Result(layout, filled, indexed, vacuumed, octets, median(waits), slow, added_rate, reindexed, vacuumed_again)


def key_of(number: int) -> bytes:
    """A generated subject key."""
    return blake2b(number.to_bytes(8), digest_size=SUBJECT_OCTETS).digest()


def _create(connection: psycopg.Connection[object], layout: Layout) -> None:
    """The table of the schema under another name and without its key, which comes after the rows."""
    columns = [column.copy() for column in suppression.columns]
    for column in columns:
        column.primary_key = False
    table = sa.Table(layout.table, sa.MetaData(), *columns)
    made = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]  # has no hints
    if not layout.partitions:
        _run(connection, made)
        return
    _run(connection, f"{made} PARTITION BY HASH (subject)")
    for number in range(layout.partitions):
        part = f"MODULUS {layout.partitions}, REMAINDER {number}"
        _run(connection, f"CREATE TABLE {layout.table}_{number} PARTITION OF {layout.table} FOR VALUES WITH ({part})")


def _run(connection: psycopg.Connection[object], statement: str) -> None:
    connection.execute(sql.SQL(statement))  # made of the names above, not of anybody's words


def _seconds(deed: Callable[[], object]) -> float:
    started = time.monotonic()
    deed()
    return time.monotonic() - started


def _copy(connection: psycopg.Connection[object], table: str, start: int, count: int) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN") as copy:
        for first in range(start, start + count, BATCH):
            copy.write("".join(_rows(range(first, min(first + BATCH, start + count)))))


def _rows(numbers: Sequence[int]) -> Iterator[str]:
    return (_ROW.format(key_of(number).hex()) for number in numbers)


def _add(connection: psycopg.Connection[object], table: str, start: int, count: int) -> None:
    """As an import does: rows staged by COPY, then inserted in the order of their keys, a batch a transaction."""
    for first in range(start, start + count, BATCH):
        with connection.transaction():
            _run(connection, f"CREATE TEMPORARY TABLE staged (LIKE {table}) ON COMMIT DROP")
            _copy(connection, "staged", first, min(BATCH, start + count - first))
            _run(connection, f"INSERT INTO {table} SELECT * FROM staged ORDER BY subject ON CONFLICT DO NOTHING")


def _ask(connection: psycopg.Connection[object], table: str, rows: int) -> list[float]:
    """The seconds of look-ups of one subject that is there and three that are not."""
    dice = random.Random(rows)
    query = sql.SQL("SELECT * FROM {} WHERE subject = ANY(%s)").format(sql.Identifier(table))

    def ask() -> None:
        keys = [key_of(dice.randrange(rows)), *(dice.randbytes(SUBJECT_OCTETS) for _ in range(KEYS - 1))]
        found = connection.execute(query, [keys], prepare=False).fetchall()
        assert len(found) == 1

    for _ in range(ASKED):  # so that what is measured is not how cold the cache is
        ask()
    return [_seconds(ask) for _ in range(ASKED)]


def _octets(connection: psycopg.Connection[object], layout: Layout) -> int:
    """Table and index together."""
    query = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relname LIKE %s AND relkind = 'r'"
    found = connection.execute(query, [f"{layout.table}%"]).fetchone()
    assert isinstance(found, tuple)
    return int(found[0])
