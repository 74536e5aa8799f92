"""The first schema of the journal tree: verdicts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")
# Keys in one order whatever the locale of the database, and indices that no new locale of the system breaks.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("id", _SERIAL, primary_key=True, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("ref", _TEXT, nullable=False),
        sa.Column("queue_id", _TEXT),
        sa.Column("login", _TEXT),
        sa.Column("client", _TEXT),
        sa.Column("listener", _TEXT),
        sa.Column("stream", _TEXT),
        sa.Column("category", _TEXT),
        sa.Column("subject", sa.LargeBinary),
        sa.Column("verdict", _TEXT, nullable=False),
        sa.Column("reason", _TEXT),
        sa.Column("scope", _TEXT),
        sa.Column("mode", _TEXT, nullable=False),
        sa.Column("detail", _TEXT),
    )
    op.create_index("journal_at", "journal", ["at"])
    op.create_index("journal_ref", "journal", ["ref"])
