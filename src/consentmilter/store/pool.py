"""What the mail path's reading connections have in common, whatever the database: who has which, and when they end.

A connection belongs to no thread: libmilter runs the callbacks of one session on any of its workers. The one used last
is used next. Raises what opening and asking raise: StoreBusyError at the deadline, StoreError and its kinds.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from consentmilter.errors import StoreBusyError, StoreError

IDLE = 16
"""Connections kept open while nobody needs them."""


class Connection(Protocol):
    """One of the driver's connections; used by one thread at a time."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Connection)

Rows = list[Sequence[Any]]


class Pool(ABC, Generic[C]):
    """Connections to one database."""

    def __init__(self, kept: int = IDLE) -> None:
        self._idle: deque[C] = deque()
        self._kept = kept

    @abstractmethod
    def look_up(self, subjects: Sequence[bytes], digests: Sequence[bytes], deadline: float) -> Rows:
        """The rows of `consentmilter.store.standing.looked_up`, before the deadline, a time of the pool's clock."""

    @abstractmethod
    def _open(self, deadline: float) -> C:
        """A new connection, to a database that this program may serve from."""

    def _serves(self, _connection: C) -> bool:
        """Whether an idle connection may be used."""
        return True

    def _ask(self, question: Callable[[C], Rows], deadline: float) -> Rows:
        """Ask an idle connection, or a new one if need be."""
        connection = self._borrow()
        if connection is None:
            return self._ask_anew(question, deadline)
        try:
            rows = question(connection)
        except StoreBusyError:
            self._throw_away(connection)
            raise
        except StoreError:
            # The connection may be dead and the database well: one try on a new one.
            self._throw_away(connection)
            return self._ask_anew(question, deadline)
        self._give_back(connection)
        return rows

    def close(self) -> None:
        """Close the idle connections, and those in use when they come back."""
        self._kept = 0
        self._close_idle()

    def _ask_anew(self, question: Callable[[C], Rows], deadline: float) -> Rows:
        connection = self._open(deadline)
        try:
            rows = question(connection)
        except StoreError:
            connection.close()
            raise
        self._give_back(connection)
        return rows

    def _borrow(self) -> C | None:
        while connection := self._pop():
            if self._serves(connection):
                return connection
            connection.close()
        return None

    def _give_back(self, connection: C) -> None:
        if len(self._idle) < self._kept:
            self._idle.append(connection)
        else:
            connection.close()

    def _throw_away(self, connection: C) -> None:
        """Close a connection that failed, and the idle ones: what befell it befell them, and each would cost a call."""
        connection.close()
        self._close_idle()

    def _close_idle(self) -> None:
        while connection := self._pop():
            connection.close()

    def _pop(self) -> C | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None
