"""The first schema of the core tree: suppressions, import batches, the ledger, key checks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# Keys in one order whatever the locale of the database, and indices that no new locale of the system breaks.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"

_POSTGRESQL = (
    """
    CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation';
    END $$
    """,
    "CREATE TABLE ledger_end (one boolean PRIMARY KEY DEFAULT true CHECK (one), id bigint NOT NULL)",
    "INSERT INTO ledger_end (id) VALUES (0)",
    """
    CREATE FUNCTION ledger_turn() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        PERFORM FROM ledger_end FOR UPDATE;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION ledger_given() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ DECLARE
        last bigint;
    BEGIN
        SELECT max(id) INTO last FROM added;
        UPDATE ledger_end SET id = last WHERE id < last;
        -- Ids that come with their entries, as in a copy, leave the sequence behind.
        IF last > (SELECT last_value FROM ledger_id_seq) THEN
            PERFORM setval('ledger_id_seq', last);
        END IF;
        RETURN NULL;
    END $$
    """,
    # With the rights of the owner they must find what is ours, and not what a caller put in its place.
    """
    DO $$ DECLARE
        path text := quote_ident(current_schema()) || ', pg_temp';
    BEGIN
        EXECUTE 'ALTER FUNCTION ledger_turn() SET search_path = ' || path;
        EXECUTE 'ALTER FUNCTION ledger_given() SET search_path = ' || path;
    END $$
    """,
    "CREATE TRIGGER ledger_turn BEFORE INSERT ON ledger FOR EACH STATEMENT EXECUTE FUNCTION ledger_turn()",
    """
    CREATE TRIGGER ledger_given AFTER INSERT ON ledger REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_given()
    """,
    """
    CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('the ledger is append-only')
    """,
    """
    CREATE TRIGGER ledger_no_truncate BEFORE TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the ledger is append-only')
    """,
)
"""PostgreSQL's guards of the ledger, and what gives entries their turn."""


def upgrade() -> None:
    op.create_table(
        "suppression",
        sa.Column("subject", sa.LargeBinary(16), nullable=False),
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("batch", _TEXT),
        sa.Column("asserted_again", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("address", _TEXT),
        sa.PrimaryKeyConstraint("subject", "scope", "reason"),
        sa.CheckConstraint("length(subject) = 16", name="suppression_subject_octets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_batch",
        sa.Column("id", _TEXT, primary_key=True, nullable=False),
        sa.Column("file", _TEXT, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("finished", sa.BigInteger),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("new", sa.BigInteger, nullable=False),
        sa.Column("known", sa.BigInteger, nullable=False),
        sa.Column("bad", sa.BigInteger, nullable=False),
    )
    op.create_index("import_batch_digest", "import_batch", ["digest"])
    _create_ledger()
    op.create_table(
        "key_check",
        sa.Column("key_id", _TEXT, primary_key=True, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("source", _TEXT, nullable=False),
        sa.Column("action", _TEXT, nullable=False),
        sa.Column("batch", _TEXT),
        sa.Column("subject", sa.LargeBinary(16)),
        sa.Column("scope", _TEXT),
        sa.Column("reason", _TEXT),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.LargeBinary),
        sa.Column("commitment", sa.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("ledger_subject", "ledger", ["subject"])
    op.create_table(
        "ledger_evidence",
        sa.Column("ledger_id", _SERIAL, sa.ForeignKey("ledger.id"), primary_key=True, autoincrement=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger {_REFUSE}")
        op.execute(f"CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger {_REFUSE}")
        known = "EXISTS (SELECT 1 FROM ledger WHERE id = NEW.id)"
        op.execute(f"CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger WHEN {known} {_REFUSE}")
    else:
        for statement in _POSTGRESQL:
            op.execute(statement)
