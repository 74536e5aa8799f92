"""What proof needs: the chain over the ledger, consents, legal holds, the use of exemptions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

# Keys in one order whatever the locale of the database, and indices that no new locale of the system breaks.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_POSTGRESQL = (
    """
    CREATE TRIGGER seal_no_change BEFORE UPDATE OR DELETE ON seal
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('the seal is append-only')
    """,
    """
    CREATE TRIGGER seal_no_truncate BEFORE TRUNCATE ON seal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('the seal is append-only')
    """,
    """
    CREATE TRIGGER ledger_evidence_no_change BEFORE DELETE ON ledger_evidence
    FOR EACH ROW EXECUTE FUNCTION ledger_refuse('evidence is append-only')
    """,
    """
    CREATE TRIGGER ledger_evidence_no_truncate BEFORE TRUNCATE ON ledger_evidence
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('evidence is append-only')
    """,
    """
    CREATE TRIGGER ledger_evidence_no_update BEFORE UPDATE ON ledger_evidence FOR EACH ROW
    WHEN (NOT (NEW.ledger_id = OLD.ledger_id AND NEW.data::text = '{}' AND length(NEW.salt) = 0))
    EXECUTE FUNCTION ledger_refuse('evidence can only be blanked')
    """,
)


def upgrade() -> None:
    op.create_index("ledger_batch", "ledger", ["batch"])
    # When an opt-out was last repeated: a confirmed opt-in outdoes older ones only.
    for table in ("suppression", "hash_suppression"):
        op.add_column(table, sa.Column("repeated", sa.BigInteger))
    op.create_table(
        "seal",
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False, nullable=False),
        sa.Column("ledger_id", sa.BigInteger, nullable=False, unique=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "consent",
        sa.Column("subject", sa.LargeBinary(16), nullable=False),
        sa.Column("stream", _TEXT, nullable=False),
        sa.Column("state", _TEXT, nullable=False),
        sa.Column("basis", _TEXT, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("batch", _TEXT),
        sa.Column("address", _TEXT),
        sa.PrimaryKeyConstraint("subject", "stream"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "legal_hold",
        sa.Column("subject", sa.LargeBinary(16), primary_key=True, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("actor", _TEXT, nullable=False),
        sa.Column("cause", _TEXT, nullable=False),
    )
    op.create_table(
        "exemption_use",
        sa.Column("day", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("category", _TEXT, nullable=False),
        sa.Column("principal", _TEXT, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "category", "principal"),
    )
    _guard_all()


def _guard_all() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _guard("seal", "position", "the seal")
        op.execute(
            "CREATE TRIGGER ledger_evidence_no_update BEFORE UPDATE ON ledger_evidence "
            "WHEN NOT (NEW.ledger_id = OLD.ledger_id AND NEW.data = '{}' AND length(NEW.salt) = 0) "
            "BEGIN SELECT RAISE(ABORT, 'evidence can only be blanked'); END"
        )
        _guard("ledger_evidence", "ledger_id", "evidence", update=False)
    else:
        for statement in _POSTGRESQL:
            op.execute(statement)


def _guard(table: str, key: str, name: str, *, update: bool = True) -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
    known = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    if update:
        op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {known} {refuse}")
