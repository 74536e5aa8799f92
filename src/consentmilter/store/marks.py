"""Marks in `key_check` of a store that nobody may work with: a copy that is not finished, a store that has moved.

Whoever opens a store reads that table, so a mark is met wherever the keys are looked at, and needs no column. With
PostgreSQL that is at each change. With SQLite a process that has the file open does not look again: there triggers
refuse what it still wants to write. Statements within a transaction of the caller's. Raises StoreSetupError for marked
stores; what the driver raises goes through.
"""

from collections.abc import Iterable, Iterator, Mapping

import sqlalchemy as sa

from consentmilter.errors import StoreSetupError
from consentmilter.store.schema import CORE_METADATA, key_check

UNFINISHED = "unfinished copy"
"""The name of the mark of a copy that does not hold everything yet."""

MOVED = "moved"
"""The name of the mark of a store that was copied for good; its value says where to."""

_PROBE = "probe of a copy"
"""What stands in a target for a moment, and then does not stand in the source."""

_CAUSE = "this store has moved: change store.url, and reload"
_EVENTS = ("INSERT", "UPDATE", "DELETE")


def refuse_marked(found: Mapping[str, bytes], database: object) -> None:
    """Refuse a database whose check values, by key id, have a mark among them."""
    if UNFINISHED in found:
        raise StoreSetupError(
            f"{database} holds a copy that is not finished: run `consentmilter store copy --final` "
            "with the configuration of the store that is copied"
        )
    if MOVED in found:
        raise StoreSetupError(f"{database} has moved to {moved_to(found)}: change store.url, and reload")


def moved_to(found: Mapping[str, bytes]) -> str:
    """Where a store has moved to."""
    return found[MOVED].decode("utf-8", "replace")


def keys(found: Mapping[str, bytes]) -> dict[str, bytes]:
    """The check values of keys among these, without the marks."""
    return {key_id: value for key_id, value in found.items() if key_id not in (UNFINISHED, MOVED, _PROBE)}


def read(connection: sa.Connection) -> dict[str, bytes]:
    """Every check value by its key id, and the marks."""
    return {row.key_id: row.value for row in connection.execute(sa.select(key_check))}


def put_probe(connection: sa.Connection, nonce: bytes) -> None:
    """Write something into a target, moved or not, that the source has not, unless both are the same database."""
    if MOVED in read(connection):
        _reopen(connection)
    _take(connection, _PROBE)
    _put(connection, {_PROBE: nonce})


def has_probe(connection: sa.Connection, nonce: bytes) -> bool:
    return read(connection).get(_PROBE) == nonce


def take_probe(connection: sa.Connection) -> None:
    _take(connection, _PROBE)


def begin_copy(connection: sa.Connection) -> None:
    """Let nobody work with what is a copy from now on."""
    _take(connection, _PROBE)
    _put(connection, {UNFINISHED: b""})


def end_copy(connection: sa.Connection, key_checks: Mapping[str, bytes]) -> None:
    """Let everybody work with a copy who has the keys."""
    others = [key_id for key_id, value in keys(read(connection)).items() if key_checks.get(key_id) != value]
    if others:
        raise StoreSetupError(f"the target was made with another key {others[0]!r}: use an empty database")
    _put(connection, key_checks)
    _take(connection, UNFINISHED)


def close(connection: sa.Connection, to: str) -> None:
    """Say that a store has moved, and refuse all changes to it."""
    _put(connection, {MOVED: to.encode()})
    _run(connection, _closing())


def _reopen(connection: sa.Connection) -> None:
    """Let a store be written to that had moved."""
    _run(connection, _opening())
    _take(connection, MOVED)


def _put(connection: sa.Connection, values: Mapping[str, bytes]) -> None:
    known = read(connection)
    new = [{"key_id": key_id, "value": value} for key_id, value in values.items() if key_id not in known]
    if new:
        connection.execute(sa.insert(key_check), new)


def _take(connection: sa.Connection, name: str) -> None:
    connection.execute(sa.delete(key_check).where(key_check.c.key_id == name))


def _run(connection: sa.Connection, statements: Iterable[sa.ExecutableDDLElement]) -> None:
    for statement in statements:
        statement(key_check, connection)


def _closing() -> Iterator[sa.ExecutableDDLElement]:
    for table in CORE_METADATA.tables:
        for event in _EVENTS:
            name = f"moved_{table}_{event.lower()}"
            yield _ddl(f"CREATE TRIGGER {name} BEFORE {event} ON {table} BEGIN SELECT RAISE(ABORT, '{_CAUSE}'); END")


def _opening() -> Iterator[sa.ExecutableDDLElement]:
    for table in CORE_METADATA.tables:
        for event in _EVENTS:
            yield _ddl(f"DROP TRIGGER IF EXISTS moved_{table}_{event.lower()}")


def _ddl(statement: str) -> sa.ExecutableDDLElement:
    return sa.DDL(statement).execute_if(dialect="sqlite")  # type: ignore[no-untyped-call]  # SQLAlchemy's gap
