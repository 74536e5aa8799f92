"""Whether a database is one that this program may serve from: its schema version and its keys.

Asked whenever a connection is opened. Raises StoreSetupError with what was found, what was expected and the command
that mends it; what the driver raises goes through.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consentmilter.errors import StoreSetupError
from consentmilter.store.marks import refuse_marked
from consentmilter.store.schema import Tree

Run = Callable[[str], list[Any]]
"""Runs a statement without parameters and returns its rows, whatever the driver."""

Named = Path | str
"""What messages call a database."""

KEYS = "SELECT key_id, value FROM key_check"

_EXISTS = {
    "sqlite": "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{}'",
    "postgresql": "SELECT 1 WHERE to_regclass('{}') IS NOT NULL",
}
"""Whether there is a table; a statement about one that is not there would undo a transaction."""


def verify(run: Run, tree: Tree, key_checks: Mapping[str, bytes], database: Named, kind: str = "sqlite") -> None:
    """Refuse a database of another schema version or of other keys."""
    verify_version(found_version(run, tree, kind), tree, database)
    if key_checks:
        verify_keys(dict(tuple(row) for row in run(KEYS)), key_checks, database)


def found_version(run: Run, tree: Tree, kind: str = "sqlite") -> str | None:
    """The schema version that the database says it has, None if it has no schema."""
    if not run(_EXISTS[kind].format(tree.version_table)):
        return None
    return next((row[0] for row in run(f"SELECT version_num FROM {tree.version_table}")), None)  # noqa: S608 - ours


def verify_version(found: str | None, tree: Tree, database: Named) -> None:
    if found is None:
        raise StoreSetupError(f"{database} has no {tree.name} schema: run `consentmilter init`")
    if found != tree.version:
        raise StoreSetupError(
            f"{database} has version {found} of the {tree.name} schema, this program works with {tree.version}: "
            "run `consentmilter init`, or the program that fits the database"
        )


def verify_keys(found: Mapping[str, bytes], expected: Mapping[str, bytes], database: Named) -> None:
    """Refuse keys that the list was not made with: every look-up would miss in silence."""
    refuse_marked(found, database)
    for key_id, value in expected.items():
        if key_id not in found:
            raise StoreSetupError(
                f"{database} does not know the key {key_id!r}: "
                "if it is a new key, run `consentmilter init` again to record it, else put the right key file in place"
            )
        if found[key_id] != value:
            raise StoreSetupError(
                f"{database} was made with another key {key_id!r}: put the key file that it was made with in place"
            )


def connection_runner(connection: sa.Connection) -> Run:
    """Run statements on a connection of SQLAlchemy's."""
    return lambda statement: list(connection.exec_driver_sql(statement))
