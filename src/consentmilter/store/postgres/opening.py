"""The one message that begins a transaction, and what its answer must say.

It sets the limits for this transaction only, takes the writers' lock where there is one, and reads schema version and
keys, all in one round trip: so every transaction is checked, whichever server a connection or a PgBouncer leads to.
Raises StoreSetupError as `consentmilter.store.check` does, and NotPrimaryError for a server that takes no changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.errors import ConnectionTimeout

from consentmilter.errors import StoreSetupError
from consentmilter.store.check import verify_keys, verify_version
from consentmilter.store.postgres.bounded import BoundedAsyncConnection, BoundedConnection
from consentmilter.store.schema import CORE, Tree

STATEMENT = 60.0
"""Seconds that a statement may take on the server."""

MARGIN = 5.0
"""By how many seconds the wait here outlasts the server's own limits, so that its own words come first."""

FAILED = "a failed change was to be committed, of which nothing has happened"
"""PostgreSQL answers the COMMIT of a failed transaction with success, and rolls it back."""

_IDLE = 30.0
"""Seconds for which a process that was frozen within a transaction may keep its locks,"""

_IDLE_READING = 3600.0
"""and those for which one that reads may pause: it holds up no change, and an export goes as fast as who takes it."""

_WRITERS = int.from_bytes(b"consentm", signed=True)
"""The advisory lock that whoever changes the core tree holds: what a change has read still holds when it writes."""

_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED"  # each statement sees what was committed before the lock was had

# A standby is behind, and consent is never decided on one; PostgreSQL lets transactions that only read begin there.
_STANDBY = "SELECT 'standby', '', NULL::bytea WHERE {}"
_ENCODING = "SELECT 'encoding', current_setting('server_encoding'), NULL"

_READING_THERE = "pg_is_in_recovery()"
_WRITING_THERE = "current_setting('transaction_read_only')::boolean"


class NotPrimaryError(psycopg.OperationalError):
    """The server takes no changes: it is a standby, or has become one."""


class StaleError(psycopg.OperationalError):
    """A connection from before was no good any more; its cause says why."""


def is_stale(error: BaseException, driver: BoundedConnection | BoundedAsyncConnection) -> bool:
    """Whether a beginning failed for its connection only, which has died since it was used or leads astray by now."""
    dead = driver.closed and isinstance(error, psycopg.Error) and not isinstance(error, ConnectionTimeout)
    return driver.used and (dead or isinstance(error, NotPrimaryError))


@dataclass(frozen=True, slots=True)
class Opening:
    """How a transaction begins; `limit` in seconds holds for the answer to it, `answers` for those within it."""

    words: str
    limit: float
    answers: float
    database: str
    tree: Tree | None
    key_checks: Mapping[str, bytes]

    def verify(self, rows: Sequence[Sequence[Any]]) -> None:
        """Check the rows of the last statement."""
        if any(kind == "standby" for kind, _, _ in rows):
            raise NotPrimaryError("the server takes no changes: it is a standby")
        for kind, text, _ in rows:
            if kind == "encoding" and text != "UTF8":
                raise StoreSetupError(f"{self.database} has the encoding {text}: make one with ENCODING 'UTF8'")
        if self.tree:
            version = next((text for kind, text, _ in rows if kind == "version"), None)
            verify_version(version, self.tree, self.database)
        if self.key_checks:
            verify_keys({text: value for kind, text, value in rows if kind == "key"}, self.key_checks, self.database)


def reading(database: str, tree: Tree | None, key_checks: Mapping[str, bytes], patience: float) -> Opening:
    """A transaction that sees one state of the database and cannot write."""
    words = [_READ, *_limits(patience, STATEMENT, _IDLE_READING), _checks(tree, _READING_THERE)]
    return Opening("; ".join(words), patience + MARGIN, STATEMENT + MARGIN, database, tree, key_checks)


def writing(
    database: str, tree: Tree, key_checks: Mapping[str, bytes], patience: float, *, lasting: bool = True
) -> Opening:
    """A transaction that writes; to the core tree one at a time, after at most `patience` seconds.

    If it is not `lasting`, its commit waits neither for the disk nor for a standby: the next one that does waits for
    both (PostgreSQL's manual on asynchronous commit).
    """
    locks = [_lock()] if tree is CORE else []
    waits = [] if lasting else ["SET LOCAL synchronous_commit = off"]
    words = [_WRITE, *_limits(patience, STATEMENT, _IDLE), *waits, *locks, _checks(tree, _WRITING_THERE)]
    return Opening("; ".join(words), patience + MARGIN, STATEMENT + MARGIN, database, tree, key_checks)


def making(database: str, patience: float) -> Opening:
    """A transaction that makes or migrates tables, which may take its time."""
    words = [_WRITE, *_limits(patience, 0, _IDLE), _lock(), f"{_checks(None, _WRITING_THERE)} UNION ALL {_ENCODING}"]
    return Opening("; ".join(words), patience + MARGIN, float("inf"), database, None, {})


def _limits(patience: float, statement: float, idle: float) -> list[str]:
    limits = {
        "lock_timeout": max(patience, 0.001),  # with 0 it would wait for ever
        "statement_timeout": statement,
        "idle_in_transaction_session_timeout": idle,
    }
    return [f"SET LOCAL {name} = {round(seconds * 1000)}" for name, seconds in limits.items()]


def _lock() -> str:
    return f"SELECT pg_advisory_xact_lock({_WRITERS})"


def _checks(tree: Tree | None, not_primary: str) -> str:
    selects = [_STANDBY.format(not_primary)]
    if tree:
        selects.append(f"SELECT 'version', version_num, NULL FROM {tree.version_table}")  # noqa: S608 - ours
    if tree is CORE:
        selects.append("SELECT 'key', key_id, value FROM key_check")
    return " UNION ALL ".join(selects)
