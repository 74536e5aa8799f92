"""The tables, and the two trees that they form.

The core tree holds suppressions and what explains them; the journal tree holds verdicts, with SQLite in a file of its
own, so that a busy mail path never waits for an import. Times are whole seconds since 1970 in UTC.
What stands here is what the newest migration leaves; a test compares the two.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.types import TypeDecorator

from consentmilter.store import append_only
from consentmilter.store.text import printable


class Printable(TypeDecorator[str]):
    """TEXT whose values went through `printable` on their way in."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return value if value is None else printable(value)


CORE_METADATA = sa.MetaData()
JOURNAL_METADATA = sa.MetaData()

# SQLite gives out row ids for exactly `INTEGER PRIMARY KEY`, no other integer type.
_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _suppression_columns() -> list[sa.Column[Any] | sa.CheckConstraint]:
    return [
        sa.Column("subject", sa.LargeBinary(16), primary_key=True),
        sa.Column("scope", Printable, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("origin", Printable, nullable=False),
        sa.Column("batch", sa.Text),
        sa.Column("asserted_again", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("address", Printable),
        sa.Column("repeated", sa.BigInteger),
        sa.CheckConstraint("length(subject) = 16", name="suppression_subject_octets"),
    ]


# Without row ids there is one B-tree in key order instead of a table plus an index: a look-up is one descent.
suppression = sa.Table("suppression", CORE_METADATA, *_suppression_columns(), sqlite_with_rowid=False)

hash_suppression = sa.Table(
    "hash_suppression",
    CORE_METADATA,
    sa.Column("digest", sa.LargeBinary, primary_key=True),
    sa.Column("scope", Printable, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True),
    sa.Column("list", Printable, nullable=False),
    sa.Column("origin", Printable, nullable=False),
    sa.Column("batch", sa.Text),
    sa.Column("asserted_again", sa.Boolean, nullable=False),
    sa.Column("created", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.BigInteger),
    sa.Column("repeated", sa.BigInteger),
    sa.CheckConstraint("length(digest) IN (16, 20, 32)", name="hash_suppression_digest_octets"),
    sqlite_with_rowid=False,
)
"""Partners' lists, which hold digests in place of addresses: MD5, SHA-1 or SHA-256, told apart by their length."""

import_batch = sa.Table(
    "import_batch",
    CORE_METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("file", Printable, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("actor", Printable, nullable=False),
    sa.Column("scope", Printable, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("started", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.BigInteger),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("new", sa.BigInteger, nullable=False),
    sa.Column("known", sa.BigInteger, nullable=False),
    sa.Column("bad", sa.BigInteger, nullable=False),
    sa.Column("skipped", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("undone", sa.BigInteger),
    sa.Index("import_batch_digest", "digest"),
)

ledger = sa.Table(
    "ledger",
    CORE_METADATA,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("actor", Printable, nullable=False),
    sa.Column("source", Printable, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("batch", sa.Text),
    sa.Column("subject", sa.LargeBinary(16)),
    sa.Column("scope", Printable),
    sa.Column("reason", sa.Text),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary),
    sa.Column("commitment", sa.LargeBinary),
    sa.Index("ledger_subject", "subject"),
    sa.Index("ledger_batch", "batch"),
    # Ids are never given out twice, so that a gap at the end shows.
    sqlite_autoincrement=True,
)

ledger_evidence = sa.Table(
    "ledger_evidence",
    CORE_METADATA,
    sa.Column("ledger_id", _SERIAL, sa.ForeignKey("ledger.id"), primary_key=True, autoincrement=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

seal = sa.Table(
    "seal",
    CORE_METADATA,
    sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("ledger_id", sa.BigInteger, nullable=False, unique=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
)
"""The chain over the ledger: each digest covers an entry and the digest before."""

consent = sa.Table(
    "consent",
    CORE_METADATA,
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sa.Column("stream", Printable, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("basis", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("confirmed", sa.Boolean, nullable=False),
    sa.Column("origin", Printable, nullable=False),
    sa.Column("batch", sa.Text),
    sa.Column("address", Printable),
    sqlite_with_rowid=False,
)
"""What holds of each person's consent to each stream; how it came about stands in the ledger."""

legal_hold = sa.Table(
    "legal_hold",
    CORE_METADATA,
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
    sa.Column("actor", Printable, nullable=False),
    sa.Column("cause", Printable, nullable=False),
)
"""People of whom nothing may be deleted for now."""

exemption_use = sa.Table(
    "exemption_use",
    CORE_METADATA,
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("category", sa.Text, primary_key=True),
    sa.Column("principal", Printable, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
)
"""How much mail of an exempt category went out, by the day (counted from 1970-01-01).

Rows without a category are what rules leased of their cap.
"""

stream_name = sa.Table(
    "stream_name",
    CORE_METADATA,
    sa.Column("hash", sa.LargeBinary(4), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("first_seen", sa.BigInteger, nullable=False),
)
"""Every stream that there ever was, by what stands for it in a token: a link outlives its stream."""

review = sa.Table(
    "review",
    CORE_METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("scope", Printable, nullable=False),
    sa.Column("subject", sa.LargeBinary(16), nullable=False),
    sa.Column("address", Printable),
    sa.Column("words", Printable),
    sa.Column("closed", sa.BigInteger),
    sa.Column("decision", sa.Text),
    sa.Index("review_subject", "subject"),
)
"""Mail from people that no rule understands, until somebody has read it."""

confirmation = sa.Table(
    "confirmation",
    CORE_METADATA,
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sa.Column("scope", Printable, primary_key=True),
    sa.Column("sent", sa.BigInteger, nullable=False),
)
"""When a person was last sent a mail that asks whether the request was theirs."""

soft_bounce = sa.Table(
    "soft_bounce",
    CORE_METADATA,
    sa.Column("subject", sa.LargeBinary(16), primary_key=True),
    sa.Column("scope", Printable, primary_key=True),
    sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
)
"""Failures that may pass, by the day (counted from 1970-01-01)."""

dkim_check = sa.Table(
    "dkim_check",
    CORE_METADATA,
    sa.Column("stream", Printable, primary_key=True),
    sa.Column("checked", sa.BigInteger, nullable=False),
    sa.Column("covered", sa.Boolean, nullable=False),
    sa.Column("detail", Printable, nullable=False),
)
"""Whether the signature of what last left the system covered both list fields (RFC 8058 section 4)."""

key_check = sa.Table(
    "key_check",
    CORE_METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)

journal = sa.Table(
    "journal",
    JOURNAL_METADATA,
    sa.Column("id", _SERIAL, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("ref", Printable, nullable=False),
    sa.Column("queue_id", Printable),
    sa.Column("login", Printable),
    sa.Column("client", Printable),
    sa.Column("listener", Printable),
    sa.Column("stream", Printable),
    sa.Column("category", Printable),
    sa.Column("subject", sa.LargeBinary),
    sa.Column("verdict", sa.Text, nullable=False),
    sa.Column("reason", Printable),
    sa.Column("scope", Printable),
    sa.Column("mode", sa.Text, nullable=False),
    sa.Column("detail", Printable),
    sa.Index("journal_at", "at"),
    sa.Index("journal_ref", "ref"),
)

for table in (ledger, seal, ledger_evidence):
    for statement in append_only.SQLITE[table.name]:
        trigger = sa.DDL(statement).execute_if(dialect="sqlite")  # type: ignore[no-untyped-call]  # SQLAlchemy's gap
        event.listen(table, "after_create", trigger)
for statement in append_only.POSTGRESQL:
    trigger = sa.DDL(statement).execute_if(dialect="postgresql")  # type: ignore[no-untyped-call]  # SQLAlchemy's gap
    event.listen(CORE_METADATA, "after_create", trigger)


@dataclass(frozen=True, slots=True)
class Tree:
    """Tables that are migrated together, and the version of them that this program works with."""

    name: str
    metadata: sa.MetaData
    version_table: str
    version: str


CORE = Tree("core", CORE_METADATA, version_table="schema_version", version="0003")
JOURNAL = Tree("journal", JOURNAL_METADATA, version_table="journal_version", version="0001")
