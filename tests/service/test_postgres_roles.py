"""deploy/postgresql/roles.sql: each role can do its work, and nothing else."""

import io
import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from consentmilter.model import Mode, Verdict
from consentmilter.service.exporting import Order, export
from consentmilter.service.holds import hold, release
from consentmilter.service.retention import Terms, prune
from consentmilter.service.sealing import make_checkpoint, seal_all
from consentmilter.service.soft_bounces import Patience, count
from consentmilter.service.verifying import verify
from consentmilter.store import confirmations, dkim_checks, stream_names, tallies
from consentmilter.store.dkim_checks import DkimCheck
from consentmilter.store.exemptions import ExemptionBook, Use, used
from consentmilter.store.exports import Choice
from consentmilter.store.journal import Journal, JournalRow
from consentmilter.store.migrate import migrate, record_keys
from consentmilter.store.names import Name, Names
from consentmilter.store.reader import Reader
from consentmilter.store.retention import Kind
from consentmilter.store.schema import CORE, JOURNAL
from consentmilter.store.uncovered import uncovered_streams
from consentmilter.store.writer import Store
from lab.postgres import PostgreSql, program
from tests.ledger.life import ALICE, Life, somebody
from tests.service.by_hand import rows
from tests.store.stores import POSTGRES
from tests.store.support import KEYS, NOON, person, put, run

ROLES = Path(__file__).parents[2] / "deploy/postgresql/roles.sql"

FIRST = {
    **{name: table.columns[0].name for tree in (CORE, JOURNAL) for name, table in tree.metadata.tables.items()},
    **{tree.version_table: "version_num" for tree in (CORE, JOURNAL)},
    "ledger_end": "id",
}
"""A column of each table."""


def grant(url: str) -> None:
    """Run the script as the administrator would."""
    command = [str(program("psql")), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(ROLES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr


def of_role(url: str, role: str) -> str:
    """The URL with which that role comes."""
    return url.replace("postgres@", f"consentmilter_{role}@")


@pytest.fixture
def url(postgres_server: PostgreSql) -> str:
    """A store with a journal, made by its own role."""
    url = POSTGRES.database("template0")
    grant(url)
    for tree in (CORE, JOURNAL):
        migrate(of_role(url, "migrate"), tree)
    record_keys(of_role(url, "migrate"), KEYS)
    grant(url)
    return url


def rights(url: str) -> list[tuple[object, ...]]:
    """Who may do what with every table, column and sequence."""
    return rows(url, "SELECT relname, relacl::text, relowner::regrole::text FROM pg_class "
                     "WHERE relnamespace = 'public'::regnamespace ORDER BY relname") + rows(
        url, "SELECT attrelid::regclass::text, attname, attacl::text FROM pg_attribute WHERE attacl IS NOT NULL "
             "AND attrelid >= 16384 ORDER BY 1, 2")  # fmt: skip


def test_the_script_can_be_run_as_often_as_one_likes(url: str) -> None:
    """It grants the same each time, and takes away what somebody granted besides."""
    before = rights(url)
    grant(url)
    assert rights(url) == before
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("GRANT DELETE ON ledger TO consentmilter_write")
        connection.execute("GRANT SELECT ON suppression TO PUBLIC")
    assert rights(url) != before
    grant(url)
    assert rights(url) == before


def test_a_store_that_somebody_else_made_belongs_to_its_role_afterwards(postgres_server: PostgreSql) -> None:
    """Tables and what guards them; the next upgrade is made by the role."""
    url = POSTGRES.database()
    grant(url)
    owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert rows(url, owners) == [("consentmilter_migrate",)]
    functions = "SELECT DISTINCT proowner::regrole::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    assert rows(url, functions) == [("consentmilter_migrate",)]
    migrate(of_role(url, "migrate"))


def test_the_role_that_writes_can_do_whatever_changes_the_list(url: str) -> None:
    """Every way there is, twice; and prune, export, seal, verify, and what the intake and the self-check note."""
    mine = of_role(url, "write")

    async def work() -> None:
        async with Store.open(mine, KEYS) as store:
            life = Life(store, mine, seed=5)
            for way in [*life.ways, *life.ways]:
                await life.live(way)
            await make_checkpoint(store, ALICE)
            assert (await seal_all(store)).new == 0
            await export(store, io.BytesIO(), Order("jsonl", Choice(), "key"), ALICE, lambda _part: None)
            await hold(store, somebody(1), ALICE, cause="Reader v. Acme")
            await release(store, somebody(1), ALICE, evidence="settled")
            await count(store, person(1), "acme", NOON, Patience(3, 86400.0 * 7))
            await store.write(lambda connection: confirmations.put(connection, person(1), "acme", NOON))
            await store.write(lambda connection: stream_names.add(connection, {b"abcd": "acme.news"}, NOON))
            check = DkimCheck("acme.news", NOON, covered=False, detail="no signature")
            await store.write(lambda connection: dkim_checks.put(connection, check))
            terms = Terms(dict.fromkeys(Kind, life.now + timedelta(days=1)), mine)
            await prune(store, terms, ALICE, now=life.clock)
            assert (await verify(store)).fault is None

    milters_work(mine)
    run(work())
    assert tallies.over_limit(mine, None) == []
    assert [each.count for each in used(mine, None)] == [3]


def milters_work(url: str) -> None:
    """Whatever a worker of the mail path has the store do."""
    told: list[str] = []
    with Reader(url, KEYS, 10.0) as reader:
        assert reader.look_up([person(7)], lambda: [bytes(32)]) is not None
    journal = Journal(url, told.append)
    journal.put(JournalRow(NOON, "ref", Verdict.REJECT, Mode.ENFORCE, subject=person(1)))
    journal.close(10)
    names = Names(url, KEYS, told.append)
    names.put(Name(person(7), "p7@x.example"))
    names.close(10)
    book = ExemptionBook(url, KEYS)
    assert book.lease(1, "rule", 5, 3) == 3
    book.give_back(1, "rule", 1)
    for _ in range(3):
        book.count({Use(1, "security-patch", "release-bot"): 1})
    book.close()
    assert uncovered_streams(url) == frozenset()
    assert told == []


def test_the_role_of_the_milter_can_do_the_milters_work(url: str) -> None:
    """Look up, journal, count, lease, fill in an address."""

    async def suppress() -> None:
        async with Store.open(of_role(url, "write"), KEYS) as store:
            await store.write(put(7))

    run(suppress())
    milters_work(of_role(url, "milter"))
    assert rows(url, "SELECT ref FROM journal") == [("ref",)]
    assert rows(url, "SELECT address FROM suppression") == [("p7@x.example",)]
    assert rows(url, "SELECT count FROM exemption_use ORDER BY category") == [(2,), (3,)]


def test_a_url_without_a_user_comes_with_that_of_the_environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that services of several roles can share one configuration."""
    monkeypatch.setenv("PGUSER", "consentmilter_milter")
    milters_work(url.replace("postgres@", ""))
    assert rows(url, "SELECT ref FROM journal") == [("ref",)]


def refused(url: str, role: str, statement: str) -> bool:
    """Whether the server says that the role may not."""
    with psycopg.connect(of_role(url, role)) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        except psycopg.IntegrityError:
            return False
        finally:
            connection.rollback()
        return False


STATEMENTS: dict[str, Callable[[str], str]] = {
    "SELECT": lambda table: f"SELECT * FROM {table}",
    "INSERT": lambda table: f"INSERT INTO {table} DEFAULT VALUES",
    "UPDATE": lambda table: f"UPDATE {table} SET {FIRST[table]} = {FIRST[table]}",
    "DELETE": lambda table: f"DELETE FROM {table}",
    "TRUNCATE": lambda table: f"TRUNCATE {table}",
}

ALL = {"SELECT", "INSERT", "UPDATE", "DELETE"}

MAY = {
    "milter": {
        "suppression": {"SELECT"},
        "hash_suppression": {"SELECT"},
        "consent": {"SELECT"},
        "dkim_check": {"SELECT"},
        "exemption_use": {"SELECT", "INSERT"},
        "journal": {"INSERT"},
        "key_check": {"SELECT"},
        "schema_version": {"SELECT"},
        "journal_version": {"SELECT"},
    },
    "write": {
        "suppression": ALL,
        "hash_suppression": ALL,
        "review": ALL,
        "confirmation": ALL,
        "soft_bounce": ALL,
        "consent": ALL - {"DELETE"},
        "import_batch": ALL - {"DELETE"},
        "dkim_check": ALL - {"DELETE"},
        "legal_hold": ALL - {"UPDATE"},
        "stream_name": {"SELECT", "INSERT"},
        "ledger": {"SELECT", "INSERT"},
        "ledger_evidence": {"SELECT", "INSERT"},
        "seal": {"SELECT", "INSERT"},
        "ledger_end": {"SELECT"},
        "exemption_use": {"SELECT", "INSERT"},
        "journal": {"SELECT", "INSERT", "DELETE"},
        "key_check": {"SELECT"},
        "schema_version": {"SELECT"},
        "journal_version": {"SELECT"},
    },
}
"""What a role may do with whole rows; a right to some columns is not among it."""


@pytest.mark.parametrize("role", MAY)
def test_each_role_may_do_that_and_nothing_else(url: str, role: str) -> None:
    """With every table; only its owner makes, changes or drops one, or gives rights to others."""
    found = {table: {name for name, of in STATEMENTS.items() if not refused(url, role, of(table))} for table in FIRST}
    assert {table: rights for table, rights in found.items() if rights} == MAY[role]
    for statement in (
        "CREATE TABLE mine (n int)",
        "ALTER TABLE ledger DISABLE TRIGGER ALL",
        "DROP TRIGGER ledger_turn ON ledger",
        "SELECT setval('ledger_id_seq', 1)",
        "SET ROLE consentmilter_migrate",
        "CREATE OR REPLACE FUNCTION ledger_turn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    ):
        assert refused(url, role, statement), statement
