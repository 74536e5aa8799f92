"""A database of the tests' server that is emptied again and again, at a small part of the cost of a new one.

For tests that leave tables and rights as they are, and have one store at a time; triggers may be switched off, and the
schema be said to be of another version.
"""

from functools import cache
from pathlib import Path

import psycopg

from consentmilter.store import append_only
from consentmilter.store.schema import CORE, JOURNAL
from tests.store.stores import POSTGRES, TEMPLATE, new_store
from tests.store.support import KEYS

_TABLES = [name for tree in (CORE, JOURNAL) for name in tree.metadata.tables]


def emptied_store(kind: str, directory: Path) -> str:
    """The URL of an empty store that knows `KEYS`, and is another's with the next call."""
    if kind == "sqlite":
        return new_store(kind, directory)
    with psycopg.connect(_url()) as connection:
        # Without the guards of the ledger; a session that a test has left behind must not hold this one up.
        connection.execute("SET session_replication_role = replica; SET lock_timeout = '10s'")
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}".encode())
        for table in append_only.SQLITE:
            connection.execute(f"ALTER TABLE {table} ENABLE TRIGGER ALL".encode())
        for tree in (CORE, JOURNAL):
            connection.execute(f"UPDATE {tree.version_table} SET version_num = %s".encode(), (tree.version,))
        connection.execute("UPDATE ledger_end SET id = 0")
        connection.execute("SELECT setval('ledger_id_seq', 1, false), setval('journal_id_seq', 1, false)")
        for key_id, value in KEYS.items():
            connection.execute("INSERT INTO key_check VALUES (%s, %s)", (key_id, value))
    return _url()


@cache
def _url() -> str:
    return POSTGRES.server.make_database("emptied", TEMPLATE)
