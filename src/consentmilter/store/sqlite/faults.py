"""What SQLite and its driver raise, as the errors of this program."""

import sqlite3
from contextlib import AbstractContextManager
from pathlib import Path

from consentmilter.errors import StoreBusyError, StoreError, StoreRefusedError
from consentmilter.store.faults import translating

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Primary result codes that mean: not now."""

_REFUSED = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def translated(database: Path) -> AbstractContextManager[None]:
    """Turn whatever SQLAlchemy or the driver raises inside into a StoreError that names the database."""
    return translating(database, sqlite3.Error, store_error)


def store_error(database: object, error: BaseException) -> StoreError:
    """The StoreError for one of the driver's: busy where waiting helps, refused where it never will."""
    code = getattr(error, "sqlite_errorcode", None)  # absent where the driver refused, not SQLite
    if code is not None and code & 0xFF in _BUSY:
        return StoreBusyError(f"{database}: {error}")
    kind = StoreRefusedError if isinstance(error, _REFUSED) else StoreError
    return kind(f"{database}: {error}")
