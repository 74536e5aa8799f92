"""Tables as a copy reads and writes them: whole rows as the database has them, page by page in the order of the key.

What a table is made of comes from the schema, so that a table that is added later is copied as well. Statements within
transactions of the caller's. Raises StoreSetupError where the target holds what the source does not and may not lose
it, StoreError where it does not hold what was just written; what the driver raises goes through.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.types import UserDefinedType

from consentmilter.errors import StoreError, StoreSetupError
from consentmilter.store import append_only
from consentmilter.store.dialect import Either
from consentmilter.store.schema import CORE_METADATA, JOURNAL_METADATA, key_check, ledger_evidence

JOURNAL_GOES_ON = Either(
    sqlite="SELECT max(id) FROM journal",
    postgresql="SELECT setval('journal_id_seq', max(id)) FROM journal HAVING count(*) > 0",
)
"""Has the next verdict come behind those that were written with their numbers; SQLite sees to that by itself."""

Row = tuple[Any, ...]
Key = tuple[Any, ...]


class _Verbatim(UserDefinedType[str]):
    """JSON as the text that it is: parsed and written anew, what somebody has altered could look whole."""

    cache_ok = True

    def get_col_spec(self, **_words: object) -> str:
        return "JSON"

    def column_expression(self, colexpr: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        return sa.cast(colexpr, sa.Text)


class Stretch(NamedTuple):
    """The rows behind a key, up to another; None is the beginning, or the end, of the table."""

    after: Key | None
    end: Key | None


class Change(NamedTuple):
    """What makes some rows of the target those of the source."""

    added: list[Row]
    changed: list[Row]
    removed: list[Row]


class Copied:
    """One table."""

    def __init__(self, table: sa.Table) -> None:
        self.name = table.name
        self.only_grows = table.name in append_only.SQLITE
        """Whether the database itself keeps rows from being changed and removed."""
        columns = [
            sa.column(column.name, _Verbatim() if isinstance(column.type, sa.JSON) else column.type)
            for column in table.columns
        ]
        self._rows = sa.table(table.name, *columns)
        self._key = [self._rows.c[column.name] for column in table.primary_key.columns]
        self._places = [list(table.columns).index(column) for column in table.primary_key.columns]
        self._parents = [
            (list(table.columns).index(reference.parent), reference.column) for reference in table.foreign_keys
        ]

    def key(self, row: Row) -> Key:
        return tuple(row[place] for place in self._places)

    def count(self, connection: sa.Connection) -> int:
        return connection.scalar(sa.select(sa.func.count()).select_from(self._rows)) or 0

    def page(self, connection: sa.Connection, after: Key | None, rows: int) -> list[Row]:
        """Up to `rows` rows behind a key, in the order of their keys."""
        return self._read(connection, self._in(Stretch(after, None)).limit(rows))

    def rows(self, connection: sa.Connection, stretch: Stretch) -> list[Row]:
        """All rows of a stretch, in the order of their keys."""
        return self._read(connection, self._in(stretch))

    def stretch(self, after: Key | None, pages: Iterable[list[Row]], rows: int) -> Stretch:
        """How far pages of up to `rows` rows behind a key, of both sides, tell of all rows that there are."""
        return Stretch(after, min((self.key(page[-1]) for page in pages if len(page) == rows), default=None))

    def within(self, rows: list[Row], stretch: Stretch) -> list[Row]:
        """Those of the rows that the stretch has."""
        return rows if stretch.end is None else rows[: bisect_right(rows, stretch.end, key=self.key)]

    def with_parents(self, connection: sa.Connection, rows: list[Row]) -> list[Row]:
        """Those of the rows that nothing is missing to which they refer."""
        for place, column in self._parents:
            wanted = {row[place] for row in rows}
            there = set(connection.scalars(sa.select(column).where(column.in_(wanted))))
            rows = [row for row in rows if row[place] in there]
        return rows

    def difference(self, found: list[Row], wanted: list[Row]) -> Change:
        """What is to be done to `found` for it to be `wanted`."""
        change = Change([], [], [])
        if found == wanted:
            return change
        there = {self.key(row): row for row in found}
        for row in wanted:
            before = there.pop(self.key(row), None)
            if before is None:
                change.added.append(row)
            elif before != row:
                change.changed.append(row)
        change.removed.extend(there.values())
        return change

    def refuse_foreign(self, change: Change) -> None:
        """Refuse to overwrite what can only grow, save for personal fields that were erased meanwhile."""
        if not self.only_grows:
            return
        others = [*change.removed, *(row for row in change.changed if not self._is_erased(row))]
        if others:
            key = ", ".join(map(str, self.key(others[0])))
            raise StoreSetupError(
                f"the target holds other data: {self.name} {key} is not what the store to copy has. "
                "It was written to, or is a copy of another store; use an empty database"
            )

    def _write(self, connection: sa.Connection, change: Change) -> None:
        """Remove, change and add rows."""
        if change.removed:
            connection.execute(sa.delete(self._rows).where(*self._this()), [self._named(row) for row in change.removed])
        if change.changed:
            new = {column.name: sa.bindparam(f"new_{column.name}", type_=column.type) for column in self._rows.c}
            connection.execute(
                sa.update(self._rows).where(*self._this()).values(new),
                [self._named(row) | self._named(row, "new_") for row in change.changed],
            )
        if change.added:
            connection.execute(sa.insert(self._rows), [self._named(row, "") for row in change.added])

    def replace(self, connection: sa.Connection, stretch: Stretch, wanted: list[Row]) -> Change:
        """Make the rows of a stretch those that are wanted, read them back, and say what it took."""
        change = self.difference(self.rows(connection, stretch), wanted)
        self.refuse_foreign(change)
        self._write(connection, change)
        if self.rows(connection, stretch) != wanted:
            raise StoreError(f"the target does not hold what was written to {self.name}: nothing of it was kept")
        return change

    def _is_erased(self, row: Row) -> bool:
        return self.name == ledger_evidence.name and row[1:] == (b"", "{}")

    def _in(self, stretch: Stretch) -> sa.Select[Any]:
        key, query = sa.tuple_(*self._key), sa.select(self._rows).order_by(*self._key)
        if stretch.after is not None:
            query = query.where(key > sa.tuple_(*stretch.after))
        return query if stretch.end is None else query.where(key <= sa.tuple_(*stretch.end))

    @staticmethod
    def _read(connection: sa.Connection, query: sa.Select[Any]) -> list[Row]:
        return [tuple(row) for row in connection.execute(query).all()]

    def _this(self) -> list[sa.ColumnElement[bool]]:
        return [column == sa.bindparam(f"old_{column.name}", type_=column.type) for column in self._key]

    def _named(self, row: Row, prefix: str = "old_") -> dict[str, Any]:
        return {f"{prefix}{column.name}": value for column, value in zip(self._rows.c, row, strict=True)}


class Digest:
    """A digest over rows, however they were cut into pages."""

    def __init__(self) -> None:
        self._state = hashlib.blake2b(digest_size=32, person=b"cm-copy")

    def add(self, rows: Sequence[Row]) -> None:
        # The text that Python has for a row is one that no other row has.
        self._state.update("".join(f"{row!r}\n" for row in rows).encode())

    def hex(self) -> str:
        return self._state.hexdigest()


def core_tables() -> list[Copied]:
    """The tables of the core tree, the ledger first, since what it says of the target decides about all others.

    Without the check values of the keys, which are what makes a copy one to work with.
    """
    tables = [Copied(table) for table in CORE_METADATA.sorted_tables if table is not key_check]
    return sorted(tables, key=lambda table: not table.only_grows)


def journal_tables() -> list[Copied]:
    """The tables of the journal tree."""
    return [Copied(table) for table in JOURNAL_METADATA.sorted_tables]
