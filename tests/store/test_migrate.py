"""Making, migrating and recognising databases."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from consentmilter.errors import StoreBusyError, StoreError, StoreSetupError
from consentmilter.store import migrate as module
from consentmilter.store.databases import database as database_of
from consentmilter.store.journal import Journal, read_journal
from consentmilter.store.migrate import migrate, record_keys, schema_version
from consentmilter.store.reader import Reader
from consentmilter.store.schema import CORE, JOURNAL, Tree
from consentmilter.store.writer import Store
from tests.store.stores import POSTGRES, both_stores
from tests.store.support import KEYS, person, run, seen, shell

TREES = [CORE, JOURNAL]


def empty(kind: str, directory: Path) -> str:
    """The URL of a store that is yet to be made."""
    return f"sqlite:///{directory / 'consent.db'}" if kind == "sqlite" else POSTGRES.database("template0")


def change(url: str, statement: str) -> None:
    """Change a database as no part of ours would."""
    database_of(url).make(lambda connection: connection.exec_driver_sql(statement))


def statements(engine: sa.Engine) -> dict[str, str]:
    """What SQLite says each table, index and trigger was made with, without regard to layout."""
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").all()
    return {name: " ".join(sql.split()) for name, sql in rows}


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_the_migrated_schema_is_the_one_that_the_program_knows(tree: Tree, tmp_path: Path) -> None:
    """Tables, columns, keys, indices and triggers; the migrations hold copies that could drift."""
    migrate(f"sqlite:///{tmp_path / 'migrated.db'}", tree)
    migrated = sa.create_engine(f"sqlite:///{tmp_path / 'migrated.db'}", poolclass=sa.NullPool)
    created = sa.create_engine(f"sqlite:///{tmp_path / 'created.db'}", poolclass=sa.NullPool)
    tree.metadata.create_all(created)
    found = statements(migrated)
    assert found.pop(tree.version_table)
    assert set(found) == set(statements(created))
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "version_table": tree.version_table}
        )
        assert compare_metadata(context, tree.metadata) == []
    triggers = {name for name, sql in found.items() if "TRIGGER" in sql}
    assert {name: found[name] for name in triggers} == {name: statements(created)[name] for name in triggers}


def catalogue(url: str) -> set[tuple[str, ...]]:
    """What PostgreSQL says of our tables: their columns, constraints, indices and triggers, and of what these call."""
    columns = "table_name, column_name, data_type, is_nullable, coalesce(column_default, '')"
    parts = (
        f"SELECT {columns} FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid > 0",
        "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    ours = {row for part in parts for row in seen(url, part)}
    return {row for row in ours if row[0] not in (CORE.version_table, JOURNAL.version_table)}


def test_the_migrated_schema_is_the_one_that_the_program_knows_on_a_server() -> None:
    """Both trees in one database; constraints and triggers too."""
    migrated, created = POSTGRES.database(), POSTGRES.database("template0")
    for tree in TREES:
        database_of(created).make(tree.metadata.create_all)
    assert catalogue(migrated) == catalogue(created)


@pytest.mark.parametrize("tree", TREES, ids=lambda tree: tree.name)
def test_the_program_expects_the_newest_revision(tree: Tree) -> None:
    """A revision without its version number in the schema would lock everybody out."""
    with sa.create_engine("sqlite://").connect() as connection:
        scripts = ScriptDirectory.from_config(module._config(tree, connection))
    assert scripts.get_heads() == [tree.version]


def test_both_trees_can_live_in_one_database() -> None:
    """As they do with PostgreSQL: no table is in both, each tree has its own version table."""
    tables = [*CORE.metadata.tables, CORE.version_table, *JOURNAL.metadata.tables, JOURNAL.version_table]
    assert len(tables) == len(set(tables))


@both_stores
def test_migrating_again_says_which_version_it_found(url: str) -> None:
    """`init` may be run as often as one likes."""
    assert migrate(url) == CORE.version
    assert schema_version(url) == CORE.version


def test_migrating_again_changes_nothing(url: str, database: Path) -> None:
    """Not an octet of the file."""
    before = database.read_bytes()
    assert migrate(url) == CORE.version
    assert database.read_bytes() == before


def test_migrating_can_leave_a_missing_database_alone(tmp_path: Path) -> None:
    """Migrating with a wrong path must not make an empty list that everybody passes."""
    with pytest.raises(StoreSetupError, match="run `consentmilter init`"):
        migrate(f"sqlite:///{tmp_path / 'typo.db'}", create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_init_can_be_run_again(tmp_path: Path) -> None:
    """A kill after the file was made and before its tables were."""
    (tmp_path / "consent.db").touch()
    assert migrate(f"sqlite:///{tmp_path / 'consent.db'}") is None


@both_stores
def test_a_failing_migration_leaves_nothing_behind(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All revisions go in with one transaction, tables included."""
    url = empty(kind, tmp_path)
    upgrade = command.upgrade

    def fail_late(*arguments: Any) -> None:
        upgrade(*arguments)
        raise ZeroDivisionError

    monkeypatch.setattr(command, "upgrade", fail_late)
    with pytest.raises(ZeroDivisionError):
        migrate(url)
    assert database_of(url).look(lambda connection: sa.inspect(connection).get_table_names()) == []


@both_stores
def test_a_database_of_another_program_is_left_alone(kind: str, tmp_path: Path) -> None:
    """A wrong URL must not plant our tables elsewhere."""
    url = empty(kind, tmp_path)
    database_of(url).create()
    change(url, "CREATE TABLE recipes (title TEXT)")
    for tree in TREES:
        with pytest.raises(StoreSetupError, match=r"already holds other tables \(recipes\)"):
            migrate(url, tree)


def test_store_and_journal_do_not_share_a_file(url: str) -> None:
    """Else an import would hold up the journal."""
    with pytest.raises(StoreSetupError, match="use a file of its own"):
        migrate(url, JOURNAL)


@both_stores
def test_a_database_from_the_future_is_not_migrated(url: str) -> None:
    """The older program says so instead of guessing."""
    change(url, "UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(StoreSetupError, match="version 9999 of the core schema, which this program does not know"):
        migrate(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """And stays as it is."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        migrate(f"sqlite:///{path}")
    assert path.read_text().startswith("Dear Sir")


@both_stores
def test_migrations_wait_for_the_writers_lock_and_give_up_in_time(url: str) -> None:
    """A running import is not migrated under its feet."""

    def meanwhile(_connection: sa.Connection) -> None:
        with pytest.raises(StoreBusyError, match=r"locked by another process|lock timeout"):
            migrate(url, patience=0.05)

    database_of(url).change(CORE, meanwhile)


async def _open(url: str, keys: dict[str, bytes]) -> None:
    async with Store.open(url, keys):
        pass


def openings(url: str, keys: dict[str, bytes]) -> list[Callable[[], object]]:
    """The ways to open a core database."""
    return [lambda: run(_open(url, keys)), lambda: Reader(url, keys, 2.0).look_up([person(1)])]


@both_stores
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE schema_version SET version_num = '0000'", "version 0000 .* works with 0003.*`consentmilter in"),
        ("DELETE FROM schema_version", "has no core schema: run `consentmilter init`"),
        ("DROP TABLE schema_version", "has no (core )?schema.*: run `consentmilter init`"),
    ],
)
def test_another_schema_version_is_refused_with_its_mend(url: str, damage: str, told: str) -> None:
    """What was found, what was expected, and the command."""
    change(url, damage)
    for attempt in openings(url, {}):
        with pytest.raises(StoreSetupError, match=told):
            attempt()


@both_stores
def test_a_journal_of_another_version_is_refused(journal_url: str) -> None:
    """For writing and for reading."""
    change(journal_url, "UPDATE journal_version SET version_num = '0000'")
    for attempt in (lambda: Journal(journal_url, on_trouble=print), lambda: read_journal(journal_url)):
        with pytest.raises(StoreSetupError, match="version 0000 of the journal schema"):
            attempt()


@both_stores
def test_a_store_made_with_another_key_is_refused(url: str) -> None:
    """Every look-up would miss without a word; the message names the key."""
    for attempt in openings(url, {"1": b"another"}):
        with pytest.raises(StoreSetupError, match="was made with another key '1'"):
            attempt()


@both_stores
def test_a_key_that_the_store_does_not_know_is_refused(url: str) -> None:
    """A second node with a key file of its own; `init` records a key that is new on purpose."""
    for attempt in openings(url, {**KEYS, "2": b"new"}):
        with pytest.raises(StoreSetupError, match=r"does not know the key '2'.*`consentmilter init` again"):
            attempt()
    record_keys(url, {**KEYS, "2": b"new"})
    for attempt in openings(url, {**KEYS, "2": b"new"}):
        attempt()


@both_stores
def test_recording_never_replaces_a_key(url: str) -> None:
    """All or nothing: the new key beside the wrong one is not recorded either."""
    with pytest.raises(StoreSetupError, match="another key '1'"):
        record_keys(url, {"0": b"new", "1": b"another"})
    assert seen(url, "SELECT key_id, value FROM key_check") == list(KEYS.items())


def test_opening_never_makes_a_database(tmp_path: Path) -> None:
    """A wrong path would be an empty list, and everybody would get mail."""
    url = f"sqlite:///{tmp_path / 'typo.db'}"
    attempts: list[Callable[[], object]] = [
        *openings(url, KEYS),
        lambda: Journal(url, on_trouble=print),
        lambda: read_journal(url),
        lambda: record_keys(url, KEYS),
        lambda: schema_version(url),
    ]
    for attempt in attempts:
        with pytest.raises(StoreSetupError, match=r"no database at .*typo.db: run `consentmilter init`"):
            attempt()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET actor = 'nobody'",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger (id, at, actor, source, action, count) VALUES (1, 0, 'x', 'x', 'lift', 1)",
        "INSERT INTO ledger SELECT * FROM ledger WHERE true ON CONFLICT (id) DO UPDATE SET actor = 'x'",
    ],
)
def test_the_ledger_refuses_change(database: Path, statement: str) -> None:
    """From whoever holds the file, the sqlite3 shell included; adding goes on."""
    append = "INSERT INTO ledger (at, actor, source, action, count) VALUES (1, 'alice', 'cli', 'add', 1)"
    with shell(database) as connection:
        connection.execute(append)
        with pytest.raises(sqlite3.IntegrityError, match="the ledger is append-only"):
            connection.execute(statement)
        connection.execute(append)
        assert connection.execute("SELECT id, actor FROM ledger").fetchall() == [(1, "alice"), (2, "alice")]
