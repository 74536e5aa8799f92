"""What statements are compiled for that go to PostgreSQL's driver as they are; the other's is in the module above."""

from sqlalchemy.dialects.postgresql import psycopg

# PgBouncer could not tell which connection has a prepared statement, and only those have places of another kind.
POSTGRESQL = psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]  # SQLAlchemy's gap
"""Places are `%s`."""
