"""Whatever can be done to the ledger's tables by hand, in the words of each kind of database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg

from tests.service.by_hand import by_hand, file_of, is_sqlite

TABLES = ("ledger", "ledger_evidence", "seal")

_WORDS = {
    "sqlite": {
        "ZERO16": "zeroblob(16)",
        "ZERO32": "zeroblob(32)",
        "RANDOM16": "randomblob(16)",
        "RANDOM32": "randomblob(32)",
        "NONE": "zeroblob(0)",
        "DATA": "data",
        "JSON": "",
    },
    "postgresql": {
        "ZERO16": "decode(repeat('00', 16), 'hex')",
        "ZERO32": "decode(repeat('00', 32), 'hex')",
        "RANDOM16": "decode(md5(random()::text), 'hex')",
        "RANDOM32": "sha256(random()::text::bytea)",
        "NONE": "''::bytea",
        "DATA": "data::text",
        "JSON": "::json",
    },
}

COLUMNS = {
    "id": ["id = id + 5000"],
    "at": ["at = at + 1"],
    "actor": ["actor = actor || 'x'", "actor = ''"],
    "source": ["source = 'click'"],
    "action": ["action = CASE action WHEN 'add' THEN 'lift' ELSE 'add' END"],
    "batch": ["batch = CASE WHEN batch IS NULL THEN '' END", "batch = coalesce(batch, '') || ' '"],
    "subject": ["subject = CASE WHEN subject IS NULL THEN ZERO16 END"],
    "scope": ["scope = coalesce(scope, '') || '.x'", "scope = CASE WHEN scope IS NULL THEN '' END"],
    "reason": ["reason = CASE reason WHEN 'manual' THEN 'legal' ELSE 'manual' END"],
    "count": ["count = count + 1", "count = -count"],
    "digest": ["digest = CASE WHEN digest IS NULL THEN ZERO32 END", "digest = ZERO32"],
    "commitment": ["commitment = CASE WHEN commitment IS NULL THEN ZERO32 END", "commitment = ZERO32"],
}
"""How each column of an entry is altered, in every row at once."""

EVIDENCE = {
    "salt": ["salt = RANDOM16", "salt = NONE"],
    "data": [
        "data = '{}'",
        "data = replace(DATA, 'said so', 'never said')JSON",
        """data = replace(DATA, '{', '{"address": "x@example.net", ')JSON""",
        "data = '[]'",
    ],
    "ledger_id": ["ledger_id = ledger_id + 5000"],
}

SEALS = {"digest": ["digest = RANDOM32"], "ledger_id": ["ledger_id = -ledger_id"]}

# A column of SQLite takes a value of any type, and text of any octets.
_SQLITE_ALONE = {
    "ledger": ["at = 'noon'", "at = at + 0.5", "actor = CAST(actor AS BLOB)", "subject = hex(subject)"],
    "ledger_evidence": ["salt = hex(salt)", "data = 'nonsense'"],
    "seal": ["digest = hex(digest)"],
}

_OF_TABLE = {"ledger": COLUMNS, "ledger_evidence": EVIDENCE, "seal": SEALS}


def changes(table: str, column: str | None = None) -> list[tuple[str, str]]:
    """Every change of a table, or of one of its columns, as a statement; with the kind of database that takes it."""
    common = [each for name, found in _OF_TABLE[table].items() if column in (None, name) for each in found]
    alone = [each for each in _SQLITE_ALONE[table] if column in (None, each.split(" ")[0])]
    return [
        (kind, said(kind, f"UPDATE {table} SET {change}"))
        for kind, found in (("sqlite", common + alone), ("postgresql", common))
        for change in found
    ]


def said(kind: str, statement: str) -> str:
    """A statement in the words of that kind."""
    for name, words in _WORDS[kind].items():
        statement = statement.replace(name, words)
    return statement


def unguarded(url: str) -> None:
    """Take the triggers away, as whoever owns the file, or the server, can."""
    with by_hand(url) as hand:
        if is_sqlite(url):
            for (name,) in hand.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                hand.execute(f"DROP TRIGGER {name}")
            return
        for table in TABLES:
            hand.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")


@contextmanager
def altered(url: str, *statements: str) -> Iterator[None]:
    """The database, without its guards, after these statements, and afterwards as it was."""
    with _put_back(url):
        with by_hand(url) as hand:
            for statement in statements:
                assert hand.execute(statement) != 0, statement
            if is_sqlite(url):
                hand.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        yield


@contextmanager
def _put_back(url: str) -> Iterator[None]:
    if is_sqlite(url):
        path = file_of(url)
        before = path.read_bytes()
        try:
            yield
        finally:
            for leftover in ("-wal", "-shm"):
                path.with_name(path.name + leftover).unlink(missing_ok=True)
            path.write_bytes(before)
        return
    # Whole transactions: what a table was copied into is gone with the connection.
    with closing(psycopg.connect(url, autocommit=True)) as keeper:
        for table in TABLES:
            keeper.execute(f"CREATE TEMPORARY TABLE {table}_was AS TABLE {table}".encode())
        try:
            yield
        finally:
            with keeper.transaction():
                keeper.execute(f"TRUNCATE {', '.join(TABLES)}".encode())
                for table in TABLES:
                    keeper.execute(f"INSERT INTO {table} SELECT * FROM {table}_was".encode())
