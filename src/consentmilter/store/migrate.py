"""Making and migrating a database, and recording its keys: what `init` does, and nothing else.

All of it runs under the writers' lock, and each call in one transaction: a process killed in the middle leaves what was
there before. Raises StoreSetupError for a database that this program cannot migrate, StoreBusyError without the lock.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from consentmilter.errors import StoreSetupError
from consentmilter.store.check import connection_runner, found_version, verify_keys, verify_version
from consentmilter.store.faults import translated
from consentmilter.store.schema import CORE, Tree, key_check
from consentmilter.store.sqlite import engines, files
from consentmilter.store.sqlite.lock import held

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str, tree: Tree = CORE, *, create: bool = True, patience: float = 10.0) -> str | None:
    """Bring a database to the newest schema and return the version that it had, None if it had none.

    Makes a database that is not there, unless `create` is false. Waits `patience` seconds for the lock.
    """
    path = files.database_path(url)
    if create:
        files.create_database(path)
    with _writing(path, patience) as connection:
        found = found_version(connection_runner(connection), tree)
        if found is None:
            _refuse_foreign(connection, path)
        try:
            command.upgrade(_config(tree, connection), "head")
        except CommandError as error:
            raise StoreSetupError(
                f"{path} has version {found} of the {tree.name} schema, which this program does not know: "
                "use the program that migrated it"
            ) from error
        return found


def schema_version(url: str, tree: Tree = CORE, *, patience: float = 10.0) -> str | None:
    """The schema version that a database has, None if it has none."""
    path = files.database_path(url)
    files.require(path)
    engine = engines.reading(path, patience)
    with translated(path):
        try:
            with engine.connect() as connection:
                return found_version(connection_runner(connection), tree)
        finally:
            engine.dispose()


def record_keys(url: str, key_checks: Mapping[str, bytes], *, patience: float = 10.0) -> None:
    """Write down the check values of new keys; a known key with another value raises StoreSetupError."""
    path = files.database_path(url)
    with _writing(path, patience) as connection:
        verify_version(found_version(connection_runner(connection), CORE), CORE, path)
        known = {row.key_id: row.value for row in connection.execute(sa.select(key_check))}
        verify_keys(known, {key_id: value for key_id, value in key_checks.items() if key_id in known}, path)
        new = [{"key_id": key_id, "value": value} for key_id, value in key_checks.items() if key_id not in known]
        if new:
            connection.execute(sa.insert(key_check), new)


@contextmanager
def _writing(path: Path, patience: float) -> Iterator[sa.Connection]:
    """A connection in a transaction, under the lock; closing it inside the lock checkpoints."""
    files.require(path)
    with held(path, patience), translated(path):
        engine = engines.writing(path, patience)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()


def _refuse_foreign(connection: sa.Connection, path: Path) -> None:
    """Leave a database alone that something else lives in."""
    if tables := sa.inspect(connection).get_table_names():
        raise StoreSetupError(f"{path} already holds other tables ({', '.join(tables)}): use a file of its own")


def _config(tree: Tree, connection: sa.Connection) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    # Alembic reads these as ConfigParser does, where % starts a reference.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(_MIGRATIONS / tree.name).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, tree=tree)
    return config
