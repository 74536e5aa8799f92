"""What drivers raise, as the errors of this program; each kind of database says which of them is what."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from consentmilter.errors import StoreBusyError, StoreError

StoreErrorOf = Callable[[object, BaseException], StoreError]
"""The StoreError for one of a driver's errors, which names the database."""


@contextmanager
def translating(database: object, driver_error: type[Exception], store_error: StoreErrorOf) -> Iterator[None]:
    """Turn whatever SQLAlchemy or the driver raises inside into a StoreError that names the database."""
    try:
        yield
    except driver_error as error:
        raise store_error(database, error) from error
    except sa.exc.DBAPIError as error:
        raise store_error(database, error.orig or error) from error
    except sa.exc.TimeoutError as error:
        raise StoreBusyError(f"{database}: all connections are in use") from error
