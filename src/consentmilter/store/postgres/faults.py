"""What PostgreSQL, PgBouncer and their driver raise, as the errors of this program; what a site can mend says how.

While a connection is being made, libpq hands over what the server says without its code, so that there its words
decide; in another language than English they are still shown.
"""

import re
from contextlib import AbstractContextManager
from typing import Final

import psycopg
from psycopg import errors

from consentmilter.errors import StoreBusyError, StoreError, StoreRefusedError, StoreSetupError, StoreUnsureError
from consentmilter.store.faults import translating

_BUSY = frozenset({
    "40001",  # serialization_failure
    "40P01",  # deadlock_detected
    "53300",  # too_many_connections
    "55P03",  # lock_not_available: lock_timeout
    "57014",  # query_canceled: statement_timeout
    "57P03",  # cannot_connect_now: it starts up or shuts down
})  # fmt: skip
"""Where trying again helps (PostgreSQL, appendix A)."""

_RIGHTS = "the database role lacks a right: run deploy/postgresql/roles.sql again"
_LOGIN = "put the right user and password into the URL, or into the file that it names"
_DATABASE = "create the database, then run `consentmilter init`"
_SCHEMA = "it has no schema, or not ours: run `consentmilter init`"

_SETUP: Final = {"28000": _LOGIN, "28P01": _LOGIN, "3D000": _DATABASE, "3F000": _SCHEMA, "42501": _RIGHTS,
                 "42P01": _SCHEMA}  # fmt: skip
"""What somebody has to mend, and how."""

_WORDS: Final = (
    (re.compile(r"too many (clients|connections)|connection slots|no more connections allowed|is starting up|"
                r"is shutting down|is in recovery|query_wait_timeout"), None),
    (re.compile(r"authentication failed|no password supplied|no pg_hba\.conf entry|role \".*\" does not exist|"
                r"no such user"), _LOGIN),
    (re.compile(r"database \".*\" does not exist|no such database"), _DATABASE),
    (re.compile(r"permission denied"), _RIGHTS),
)  # fmt: skip
"""The same by what servers and PgBouncer say to whom they do not let in; None is busy."""

_REFUSED_CLASSES = ("22", "23")
"""Data exceptions and integrity violations: about the rows, whatever happens next."""


def translated(database: str) -> AbstractContextManager[None]:
    """Turn whatever SQLAlchemy or the driver raises inside into a StoreError that names the database."""
    return translating(database, psycopg.Error, store_error)


def store_error(database: object, error: BaseException) -> StoreError:
    """The StoreError for one of the driver's."""
    said = f"{database}: {_one_line(error)}"
    code = getattr(error, "sqlstate", None)
    if code is None:
        return _without_code(said, error)
    if code in _BUSY:
        return StoreBusyError(said)
    if code in _SETUP:
        return StoreSetupError(f"{said}: {_SETUP[code]}")
    return StoreRefusedError(said) if code.startswith(_REFUSED_CLASSES) else StoreError(said)


def unsure(database: str, error: BaseException) -> StoreUnsureError:
    """The StoreError for a commit that was not answered."""
    return StoreUnsureError(
        f"{database}: the connection was lost during a commit, which may have happened or not: {_one_line(error)}"
    )


def _without_code(said: str, error: BaseException) -> StoreError:
    if isinstance(error, errors.ConnectionTimeout):
        return StoreBusyError(said)
    if isinstance(error, psycopg.OperationalError):
        for words, mend in _WORDS:
            if words.search(said):
                return StoreSetupError(f"{said}: {mend}") if mend else StoreBusyError(said)
        return StoreError(said)
    # What the driver itself refuses is about the values that it was handed.
    return (
        StoreRefusedError(said) if isinstance(error, psycopg.DataError | psycopg.ProgrammingError) else StoreError(said)
    )


def _one_line(error: BaseException) -> str:
    """What went wrong; not the details, in which the server shows rows with what is in them."""
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return primary or re.sub(r"\s*\n\s*", "; ", str(error).strip()) or type(error).__name__
