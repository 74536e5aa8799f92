"""Where SQLite and PostgreSQL speak differently; the one module to change for a statement that must suit both."""

from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

DIALECT = sqlite.dialect()
"""What statements are compiled for that go to the driver as they are."""

# The driver counts the rows of a statement only if it begins with INSERT, not with the WITH of one.
DIALECT.cte_follows_insert = True

upsert = insert
"""INSERT with ON CONFLICT DO UPDATE, which both have and SQLAlchemy's common insert has not."""

TABLE_EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{}'"
