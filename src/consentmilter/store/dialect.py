"""Where SQLite and PostgreSQL speak differently; the one module to change for a statement that must suit both."""

from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

DIALECT = sqlite.dialect()
"""What the mail path's statements are compiled for."""

upsert = insert
"""INSERT with ON CONFLICT DO UPDATE, which both have and SQLAlchemy's common insert has not."""

TABLE_EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{}'"
