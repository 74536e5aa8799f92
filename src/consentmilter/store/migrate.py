"""Making and migrating a database, and recording its keys: what `init` does, and nothing else.

All of it runs under the writers' lock, and each call in one transaction: a process killed in the middle leaves what was
there before. Raises StoreSetupError for a database that this program cannot migrate, StoreBusyError without the lock.
"""

from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from consentmilter.errors import StoreSetupError
from consentmilter.store.check import connection_runner, found_version, verify_keys, verify_version
from consentmilter.store.databases import Database, database
from consentmilter.store.schema import CORE, JOURNAL, Tree, key_check

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str, tree: Tree = CORE, *, create: bool = True, patience: float = 10.0) -> str | None:
    """Bring a database to the newest schema and return the version that it had, None if it had none.

    Makes a database file that is not there, unless `create` is false. Waits `patience` seconds for the lock.
    """
    place = database(url)
    if create:
        place.create()

    def job(connection: sa.Connection) -> str | None:
        found = _version(connection, tree)
        if found is None:
            _refuse_foreign(connection, place, tree)
        try:
            command.upgrade(_config(tree, connection), "head")
        except CommandError as error:
            raise StoreSetupError(
                f"{place.name} has version {found} of the {tree.name} schema, which this program does not know: "
                "use the program that migrated it"
            ) from error
        return found

    return place.make(job, patience)


def schema_version(url: str, tree: Tree = CORE, *, patience: float = 10.0) -> str | None:
    """The schema version that a database has, None if it has none."""
    return database(url).look(lambda connection: _version(connection, tree), patience)


def record_keys(url: str, key_checks: Mapping[str, bytes], *, patience: float = 10.0) -> None:
    """Write down the check values of new keys; a known key with another value raises StoreSetupError."""
    place = database(url)

    def job(connection: sa.Connection) -> None:
        verify_version(_version(connection, CORE), CORE, place.name)
        known = {row.key_id: row.value for row in connection.execute(sa.select(key_check))}
        verify_keys(known, {key_id: value for key_id, value in key_checks.items() if key_id in known}, place.name)
        new = [{"key_id": key_id, "value": value} for key_id, value in key_checks.items() if key_id not in known]
        if new:
            connection.execute(sa.insert(key_check), new)

    place.make(job, patience)


def _version(connection: sa.Connection, tree: Tree) -> str | None:
    return found_version(connection_runner(connection), tree, connection.dialect.name)


def _refuse_foreign(connection: sa.Connection, place: Database, tree: Tree) -> None:
    """Leave a database alone that something else lives in; only with a server do both trees share one."""
    if not place.file and _version(connection, JOURNAL if tree is CORE else CORE):
        return
    if foreign := sorted(sa.inspect(connection).get_table_names()):
        raise StoreSetupError(
            f"{place.name} already holds other tables ({', '.join(foreign)}): "
            f"use a {'file' if place.file else 'database'} of its own"
        )


def _config(tree: Tree, connection: sa.Connection) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    # Alembic reads these as ConfigParser does, where % starts a reference.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(_MIGRATIONS / tree.name).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, tree=tree)
    return config
