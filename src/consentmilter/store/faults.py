"""What drivers raise, as the errors of this program."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from consentmilter.errors import StoreBusyError, StoreError

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Primary result codes that mean: not now."""


@contextmanager
def translated(database: Path) -> Iterator[None]:
    """Turn whatever SQLAlchemy or the driver raises inside into a StoreError that names the database."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(database, error) from error
    except sa.exc.DBAPIError as error:
        raise store_error(database, error.orig or error) from error
    except sa.exc.TimeoutError as error:
        raise StoreBusyError(f"{database}: all connections are in use") from error


def store_error(database: Path, error: BaseException) -> StoreError:
    """The StoreError for one of the driver's: busy where waiting helps."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where the driver refused, not SQLite
    kind = StoreBusyError if code is not None and code & 0xFF in _BUSY else StoreError
    return kind(f"{database}: {error}")
