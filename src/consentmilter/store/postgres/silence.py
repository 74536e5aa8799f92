"""Have libpq call nothing of Python's.

The driver's receiver of notices enters Python through PyGILState_Ensure wherever the server sends one, in the midst of
a call that has released the interpreter. Under libmilter that ends the process (see `consentmilter.store.sqlite.pool`),
and a server sends notices unasked: a warning about its collations to whoever connects, say. So the mail path's
connections get a receiver that is no Python. Raises nothing.
"""

import ctypes
import sys
from functools import cache
from typing import Any

from psycopg import pq
from psycopg.pq.abc import PGconn


def silence(connection: PGconn) -> None:
    """Throw away the notices of a connection."""
    libpq = _libpq()
    # PQclear(NULL) does nothing (libpq, PQclear). It gets the receiver's first argument, which is NULL here; the
    # notice itself, the second, belongs to libpq.
    address = connection.pgconn_ptr  # type: ignore[attr-defined]  # every implementation has it
    libpq.PQsetNoticeReceiver(address, ctypes.cast(libpq.PQclear, ctypes.c_void_p), None)


@cache
def _libpq() -> Any:
    """The libpq that the driver uses, which may be one of its own: found through the driver's module in C."""
    libpq = ctypes.CDLL(sys.modules[pq.PGconn.__module__].__file__)
    libpq.PQsetNoticeReceiver.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    libpq.PQsetNoticeReceiver.restype = ctypes.c_void_p
    return libpq
