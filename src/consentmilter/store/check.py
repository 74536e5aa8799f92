"""Whether a database is one that this program may serve from: its schema version and its keys.

Asked whenever a connection is opened. Raises StoreSetupError with what was found, what was expected and the command
that mends it; what the driver raises goes through.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from consentmilter.errors import StoreSetupError
from consentmilter.store.dialect import TABLE_EXISTS
from consentmilter.store.schema import Tree

Run = Callable[[str], list[Any]]
"""Runs a statement without parameters and returns its rows, whatever the driver."""


def verify(run: Run, tree: Tree, key_checks: Mapping[str, bytes], database: Path) -> None:
    """Refuse a database of another schema version or of other keys."""
    verify_version(found_version(run, tree), tree, database)
    if key_checks:
        verify_keys(dict(tuple(row) for row in run("SELECT key_id, value FROM key_check")), key_checks, database)


def found_version(run: Run, tree: Tree) -> str | None:
    """The schema version that the database says it has, None if it has no schema."""
    if not run(TABLE_EXISTS.format(tree.version_table)):
        return None
    return next((row[0] for row in run(f"SELECT version_num FROM {tree.version_table}")), None)  # noqa: S608 - ours


def verify_version(found: str | None, tree: Tree, database: Path) -> None:
    if found is None:
        raise StoreSetupError(f"{database} has no {tree.name} schema: run `consentmilter init`")
    if found != tree.version:
        raise StoreSetupError(
            f"{database} has version {found} of the {tree.name} schema, this program works with {tree.version}: "
            "run `consentmilter init`, or the program that fits the database"
        )


def verify_keys(found: Mapping[str, bytes], expected: Mapping[str, bytes], database: Path) -> None:
    """Refuse keys that the list was not made with: every look-up would miss in silence."""
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
