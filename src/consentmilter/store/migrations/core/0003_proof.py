"""What proof needs: the chain over the ledger, consents, legal holds, the use of exemptions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


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
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("basis", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("address", sa.Text),
        sa.PrimaryKeyConstraint("subject", "stream"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "legal_hold",
        sa.Column("subject", sa.LargeBinary(16), primary_key=True, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
    )
    op.create_table(
        "exemption_use",
        sa.Column("day", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("day", "category", "principal"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard("seal", "position", "the seal")
        op.execute(
            "CREATE TRIGGER ledger_evidence_no_update BEFORE UPDATE ON ledger_evidence "
            "WHEN NOT (NEW.ledger_id = OLD.ledger_id AND NEW.data = '{}' AND length(NEW.salt) = 0) "
            "BEGIN SELECT RAISE(ABORT, 'evidence can only be blanked'); END"
        )
        _guard("ledger_evidence", "ledger_id", "evidence", update=False)


def _guard(table: str, key: str, name: str, *, update: bool = True) -> None:
    refuse = f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
    known = f"EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key})"  # noqa: S608 - names of ours
    if update:
        op.execute(f"CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} {refuse}")
    op.execute(f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} WHEN {known} {refuse}")
