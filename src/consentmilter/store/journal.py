"""The journal: what was decided about mail, written behind the mail path's back.

`put` neither waits nor raises; a thread writes what has come in every quarter of a second, under the journal's own
lock, and tries again while the journal is locked, full or away. A kill loses what came in since; what else is lost,
because too much waits, is counted and told. Opening and reading raise StoreError and its kinds.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from consentmilter.errors import StoreError
from consentmilter.model import Mode
from consentmilter.store.rows import moment, seconds
from consentmilter.store.schema import journal
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.journal import JournalFile

_INTERVAL = 0.25
_ROWS_AT_ONCE = 5000
_REPORT_EVERY = 10.0

_UNSTORABLE = (sa.exc.IntegrityError, sa.exc.DataError, sa.exc.InterfaceError, sa.exc.ProgrammingError)
"""What the driver raises about the rows themselves: trying again would never end."""


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One verdict, or one that would have been; `ref` is the number that the reply names."""

    at: datetime
    ref: str
    verdict: str
    mode: Mode
    reason: str | None = None
    queue_id: str | None = None
    login: str | None = None
    client: str | None = None
    listener: str | None = None
    stream: str | None = None
    category: str | None = None
    subject: bytes | None = None
    scope: str | None = None
    detail: str | None = None


class Journal:
    """A journal open for writing. `on_trouble` is told in the writing thread what goes wrong, now and then."""

    def __init__(self, url: str, on_trouble: Callable[[str], None], capacity: int = 20_000) -> None:
        self._file = JournalFile(files.database_path(url))
        self._file.check()
        self._on_trouble = on_trouble
        self._capacity = capacity
        self._waiting: deque[JournalRow] = deque()
        self._counting = threading.Lock()
        self._lost = 0
        self._trouble = ""
        self._next_report = 0.0
        self._closing = threading.Event()
        self._flush_until = float("inf")
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, row: JournalRow) -> None:
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
        batch: list[JournalRow] = []
        while not self._closing.wait(_INTERVAL):
            batch = self._write(batch)
            self._report()
        while (batch := self._write(batch)) and time.monotonic() < self._flush_until:
            time.sleep(_INTERVAL / 10)
        self._lose(len(batch) + len(self._waiting))
        self._next_report = 0.0
        self._report()
        self._file.close()

    def _write(self, batch: list[JournalRow]) -> list[JournalRow]:
        """Write what could not be written before and all that waits; return what cannot be written now either."""
        while batch := batch or self._take():
            try:
                self._file.append([_values(row) for row in batch])
            except StoreError as error:
                self._trouble = str(error)
                if not isinstance(error.__cause__, _UNSTORABLE):
                    return batch
                self._lose(len(batch))
            except Exception as error:  # noqa: BLE001 - the thread's edge: a fault of ours must not end the journal
                self._trouble = repr(error)
                self._lose(len(batch))
            batch = []
        return batch

    def _take(self) -> list[JournalRow]:
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
            self._on_trouble(f"the journal has trouble, rows lost: {lost}; {trouble}")


def read_journal(
    url: str, *, ref: str | None = None, since: datetime | None = None, limit: int = 1000
) -> list[JournalRow]:
    """The newest `limit` rows, the oldest of them first: those of one `ref`, or from `since` on, or all."""
    newest = sa.select(journal).order_by(journal.c.id.desc()).limit(limit)
    if ref is not None:
        newest = newest.where(journal.c.ref == ref)
    if since is not None:
        newest = newest.where(journal.c.at >= seconds(since))
    found = JournalFile(files.database_path(url)).select(newest)
    return [_row(**row) for row in reversed(found)]


def _values(row: JournalRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in JournalRow.__slots__}
    return values | {"at": seconds(row.at), "verdict": str(row.verdict), "mode": str(row.mode)}


def _row(*, id: int, at: int, mode: str, **others: Any) -> JournalRow:  # noqa: A002, ARG001 - the columns' names
    return JournalRow(at=moment(at), mode=Mode(mode), **others)
