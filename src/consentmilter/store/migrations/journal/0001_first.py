"""The first schema of the journal tree: verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("queue_id", sa.Text),
        sa.Column("login", sa.Text),
        sa.Column("client", sa.Text),
        sa.Column("listener", sa.Text),
        sa.Column("stream", sa.Text),
        sa.Column("category", sa.Text),
        sa.Column("subject", sa.LargeBinary),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("scope", sa.Text),
        sa.Column("mode", sa.Text, nullable=False),
        sa.Column("detail", sa.Text),
    )
    op.create_index("journal_at", "journal", ["at"])
    op.create_index("journal_ref", "journal", ["ref"])
