"""Rows that are written behind the mail path's back.

`put` neither waits nor raises; a thread writes what has come in every quarter of a second, and tries again while the
store is locked, full or away. A kill loses what came in since; what else is lost, because too much waits or because the
database refuses the row itself, is counted and told.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from consentmilter.errors import StoreError, StoreRefusedError
from consentmilter.store.databases import Behind

Row = TypeVar("Row")

_INTERVAL = 0.25
_ROWS_AT_ONCE = 5000
_REPORT_EVERY = 10.0


class Background(Generic[Row]):
    """A thread that runs one statement for rows; `values` makes its parameters of a row.

    `on_trouble` is told in that thread what goes wrong, now and then, in a sentence that begins with `name`.
    """

    def __init__(
        self,
        name: str,
        behind: Behind,
        statement: sa.Executable,
        values: Callable[[Row], dict[str, Any]],
        *,
        on_trouble: Callable[[str], None],
        capacity: int,
    ) -> None:
        self._name = name
        self._behind = behind
        self._statement = statement
        self._values = values
        self._on_trouble = on_trouble
        self._capacity = capacity
        self._waiting: deque[Row] = deque()
        self._counting = threading.Lock()
        self._lost = 0
        self._trouble = ""
        self._next_report = 0.0
        self._closing = threading.Event()
        self._flush_until = float("inf")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, row: Row) -> None:
        """Have the row written soon."""
        if len(self._waiting) < self._capacity and not self._closing.is_set():
            self._waiting.append(row)
        else:
            self._lose(1)

    def close(self, timeout: float = 2.0) -> None:
        """Write what waits, for `timeout` seconds at most, and end."""
        self._flush_until = time.monotonic() + timeout
        self._closing.set()
        self._thread.join(timeout + 1.0)

    def _run(self) -> None:
        batch: list[Row] = []
        while not self._closing.wait(_INTERVAL):
            batch = self._write(batch)
            self._report()
        while (batch := self._write(batch)) and time.monotonic() < self._flush_until:
            time.sleep(_INTERVAL / 10)
        self._lose(len(batch) + len(self._waiting))
        self._next_report = 0.0
        self._report()
        self._behind.close()

    def _write(self, batch: list[Row]) -> list[Row]:
        """Write what could not be written before and all that waits; return what cannot be written now either."""
        while batch := batch or self._take():
            try:
                self._behind.run(self._statement, [self._values(row) for row in batch])
            except StoreRefusedError as error:
                self._trouble = str(error)
                self._lose(len(batch))
            except StoreError as error:
                self._trouble = str(error)
                return batch
            except Exception as error:  # noqa: BLE001 - the thread's edge: a fault of ours must not end the thread
                self._trouble = repr(error)
                self._lose(len(batch))
            batch = []
        return batch

    def _take(self) -> list[Row]:
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), _ROWS_AT_ONCE))]

    def _lose(self, count: int) -> None:
        with self._counting:
            self._lost += count

    def _report(self) -> None:
        """Tell of troubles and losses, unless that has just been done."""
        now = time.monotonic()
        if not (self._trouble or self._lost) or now < self._next_report:
            return
        self._next_report = now + _REPORT_EVERY
        with self._counting:
            lost, self._lost = self._lost, 0
        trouble, self._trouble = self._trouble or "more came in than could be written", ""
        with suppress(Exception):  # the callback's edge: there is nobody left to tell of the trouble of telling
            self._on_trouble(f"the {self._name} has trouble, rows lost: {lost}; {trouble}")
