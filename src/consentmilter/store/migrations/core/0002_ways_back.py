"""What the ways back need: hash lists, names of streams, mail to review, confirmations, soft bounces, DKIM checks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Keys in one order whatever the locale of the database, and indices that no new locale of the system breaks.
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("import_batch", sa.Column("skipped", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("import_batch", sa.Column("undone", sa.BigInteger))
    op.create_table(
        "hash_suppression",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("reason", _TEXT, nullable=False),
        sa.Column("list", _TEXT, nullable=False),
        sa.Column("origin", _TEXT, nullable=False),
        sa.Column("batch", _TEXT),
        sa.Column("asserted_again", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.PrimaryKeyConstraint("digest", "scope", "reason"),
        sa.CheckConstraint("length(digest) IN (16, 20, 32)", name="hash_suppression_digest_octets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stream_name",
        sa.Column("hash", sa.LargeBinary(4), primary_key=True, nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("first_seen", sa.BigInteger, nullable=False),
    )
    _create_mail_tables()


def _create_mail_tables() -> None:
    op.create_table(
        "review",
        sa.Column("id", _TEXT, primary_key=True, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("subject", sa.LargeBinary(16), nullable=False),
        sa.Column("address", _TEXT),
        sa.Column("words", _TEXT),
        sa.Column("closed", sa.BigInteger),
        sa.Column("decision", _TEXT),
    )
    op.create_index("review_subject", "review", ["subject"])
    op.create_table(
        "confirmation",
        sa.Column("subject", sa.LargeBinary(16), nullable=False),
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("sent", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subject", "scope"),
    )
    op.create_table(
        "soft_bounce",
        sa.Column("subject", sa.LargeBinary(16), nullable=False),
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("day", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("subject", "scope", "day"),
    )
    op.create_table(
        "dkim_check",
        sa.Column("stream", _TEXT, primary_key=True, nullable=False),
        sa.Column("checked", sa.BigInteger, nullable=False),
        sa.Column("covered", sa.Boolean, nullable=False),
        sa.Column("detail", _TEXT, nullable=False),
    )
