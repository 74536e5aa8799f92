"""The insert of many rows, as far as all databases have it in common: what they say, and what becomes of it.

Rows differ in some columns; what they have in common, in most files the scope, the reason and the end, is given once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.store.dialect import upsert

if TYPE_CHECKING:  # it takes long to load
    from sqlalchemy.dialects.postgresql import Insert

COLUMNS: Mapping[str, sa.types.TypeEngine[Any]] = {
    "scope": sa.Text(), "reason": sa.Text(), "since": sa.BigInteger(), "expires": sa.BigInteger(), "address": sa.Text(),
}  # fmt: skip
"""What a row says of its key."""

KEY = sa.LargeBinary()

_COUNTED = {"preserve_rowcount": True}
"""SQLAlchemy keeps the count of rows of an UPDATE or DELETE only, unless it is told to."""


@dataclass(frozen=True, slots=True)
class Inserts:
    """The statements that make the rows of some `said`, and that repeat those that stand.

    What `said` has no column for is a parameter. Made once for each shape of rows: that takes as long as some inserts.
    """

    make: "Insert"
    repeat: "Insert"

    @classmethod
    def of(cls, said: sa.FromClause, table: sa.Table) -> "Inserts":
        made = upsert(table).from_select([column.name for column in table.columns], _rows(said, table))
        keys = [column.name for column in table.primary_key]
        return cls(made.on_conflict_do_nothing(index_elements=keys), _repeated(made, table, keys))

    async def run(self, connection: AsyncConnection, given: Mapping[str, object], count: int) -> int:
        """Make or repeat so many rows, and return how many were made."""
        made = (await connection.execute(self.make, given, execution_options=_COUNTED)).rowcount
        if made < count:
            # What was made a moment ago is of this batch, or of this very assertion, and stays as it is.
            await connection.execute(self.repeat, given)
        return made


def _rows(said: sa.FromClause, table: sa.Table) -> sa.Select[Any]:
    """The rows of `said` as the table has them."""

    def value(name: str, type_: sa.types.TypeEngine[Any]) -> sa.ColumnElement[Any]:
        return said.c[name] if name in said.c else sa.bindparam(name, type_=type_)

    given: dict[str, sa.ColumnElement[Any]] = {
        table.c[0].name: said.c["key"],
        "asserted_again": sa.false(),
        "created": sa.func.coalesce(value("since", COLUMNS["since"]), sa.bindparam("recorded", type_=sa.BigInteger)),
        "repeated": sa.null(),
    }
    chosen = [given[c.name] if c.name in given else value(c.name, c.type) for c in table.columns]
    # Without a WHERE, SQLite would take the ON of the conflict for that of a join.
    return sa.select(*chosen).select_from(said).where(sa.true())


def _repeated(made: "Insert", held: sa.Table, keys: Sequence[str]) -> "Insert":
    """Where a row stands already, only ever make it hold longer: a missing expiry wins, then the later one."""
    said = made.excluded
    rule: dict[str, sa.ColumnElement[Any]] = {
        "asserted_again": sa.case((held.c.batch == said.batch, held.c.asserted_again), else_=sa.true()),
        "expires": sa.case(
            (sa.or_(held.c.expires.is_(None), said.expires.is_(None)), sa.null()),
            (held.c.expires > said.expires, held.c.expires),
            else_=said.expires,
        ),
        "repeated": sa.case(
            (sa.or_(held.c.batch == said.batch, held.c.repeated >= said.created), held.c.repeated), else_=said.created
        ),
    }
    if "address" in held.c:
        rule["address"] = sa.func.coalesce(held.c.address, said.address)
    # Of a list that comes every week most rows change nothing, and to write them all again takes long.
    changes = sa.or_(*(held.c[name].is_distinct_from(value) for name, value in rule.items()))
    return made.on_conflict_do_update(index_elements=keys, set_=rule, where=changes)
