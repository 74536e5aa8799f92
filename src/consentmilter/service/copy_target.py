"""Whether a database may become the copy of a store: it is empty, or it is a copy of this very store already.

Raises StoreSetupError where it holds anything else, which is then left as it is.
"""

from collections.abc import Mapping
from typing import NamedTuple

import sqlalchemy as sa

from consentmilter.errors import StoreSetupError
from consentmilter.store import marks
from consentmilter.store.check import connection_runner, verify
from consentmilter.store.copies import core_tables
from consentmilter.store.databases import Database
from consentmilter.store.schema import CORE, ledger, seal, stream_name

_MEND = "use an empty database"


class _State(NamedTuple):
    """What decides about a target: its keys and marks, the rows of its tables, and the end of its chain."""

    keys: Mapping[str, bytes]
    rows: Mapping[str, int]
    position: int
    digest: bytes


def accept(source: Database, target: Database) -> None:
    """Refuse a target that holds what the source does not."""
    theirs = target.look(lambda connection: _state(connection, target))
    if marks.UNFINISHED in theirs.keys:
        return  # a copy that goes on; what it holds of the ledger is compared row by row before anything else
    ours = source.look(marks.read)
    for key_id, value in marks.keys(theirs.keys).items():
        if ours.get(key_id) != value:
            raise StoreSetupError(f"{target.name} was made with another key {key_id!r}: {_MEND}")
    if theirs.position:
        _refuse_other_chain(source, target, theirs)
    elif held := [name for name, rows in theirs.rows.items() if rows and name != stream_name.name]:
        raise StoreSetupError(f"{target.name} holds other data (in {', '.join(held)}): {_MEND}")


def _refuse_other_chain(source: Database, target: Database, theirs: _State) -> None:
    """The digest at the end of a chain stands for all of it, so that one place of ours tells."""
    query = sa.select(seal.c.digest).where(seal.c.position == theirs.position)
    ours = source.look(lambda connection: connection.scalar(query))
    if ours is None or ours != theirs.digest or theirs.rows[ledger.name] != theirs.position:
        raise StoreSetupError(
            f"{target.name} holds other data: its ledger of {theirs.rows[ledger.name]} entries is not the beginning of "
            f"the one of {source.name}. It was written to, or belongs to another store; {_MEND}"
        )


def _state(connection: sa.Connection, target: Database) -> _State:
    verify(connection_runner(connection), CORE, {}, target.name, connection.dialect.name)
    end = connection.execute(
        sa.select(seal.c.position, seal.c.digest).order_by(seal.c.position.desc()).limit(1)
    ).first()
    rows = {table.name: table.count(connection) for table in core_tables()}
    return _State(marks.read(connection), rows, end.position if end else 0, end.digest if end else b"")
