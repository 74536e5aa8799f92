"""The first schema of the core tree: suppressions, import batches, the ledger, key checks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_REFUSE = "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"


def upgrade() -> None:
    op.create_table(
        "suppression",
        sa.Column("subject", sa.LargeBinary(16), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("asserted_again", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("address", sa.Text),
        sa.PrimaryKeyConstraint("subject", "scope", "reason"),
        sa.CheckConstraint("length(subject) = 16", name="suppression_subject_octets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "import_batch",
        sa.Column("id", sa.Text, primary_key=True, nullable=False),
        sa.Column("file", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
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
        sa.Column("key_id", sa.Text, primary_key=True, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("subject", sa.LargeBinary(16)),
        sa.Column("scope", sa.Text),
        sa.Column("reason", sa.Text),
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
