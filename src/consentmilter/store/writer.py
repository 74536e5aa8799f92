"""The store for everything asynchronous: changes one after another, reads beside them.

In each process one task owns the writing connection and takes the lock for each change. A change is one transaction:
`write` returns after its commit, or raises and nothing has happened. A caller that is cancelled leaves the change to
finish by itself. Raises StoreBusyError when the lock was not free in time, StoreSetupError for a database that may not
be served from, and StoreError for whatever else the database says.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.sqlite import files
from consentmilter.store.sqlite.sessions import Reading, Writing
from consentmilter.store.staging import Staging

T = TypeVar("T")

Job = Callable[[AsyncConnection], Awaitable[T]]
"""What runs in one transaction."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A job on its way to the writer task, where its outcome goes, and how long it may wait for its turn."""

    job: Job[Any]
    done: asyncio.Future[Any]
    deadline: float


class Store:
    """The suppressions and their ledger, open in this process; made by `Store.open`."""

    def __init__(self, reading: Reading, writing: Writing, lock_timeout: float, directory: Path) -> None:
        self._directory = directory
        self._reading = reading
        self._writing = writing
        self._lock_timeout = lock_timeout
        self._changes: asyncio.Queue[_Change | None] = asyncio.Queue()
        self._closed = False
        self._writer = asyncio.create_task(self._serve(), name="store writer")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, key_checks: Mapping[str, bytes], lock_timeout: float = 10.0) -> AsyncIterator[Self]:
        """Open a store that exists and was made with these keys.

        A change waits at most `lock_timeout` seconds for its turn, other processes included.
        """
        path = files.database_path(url)
        files.require(path)
        reading = Reading(path, key_checks, lock_timeout)
        await reading.run(_nothing)  # a store that cannot be served from is refused here, not at the first use
        store = cls(reading, Writing(path, key_checks, lock_timeout), lock_timeout, path.parent)
        try:
            yield store
        finally:
            await store._close()

    async def write(self, job: Job[T]) -> T:
        """Run the job in one transaction and return its result after commit."""
        self._refuse_closed()
        if asyncio.current_task() is self._writer:
            raise StoreError("a change cannot wait for another change: make both in one job")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A caller that left fetches no outcome, and asyncio would complain about an exception never retrieved.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._changes.put_nowait(_Change(job, done, time.monotonic() + self._lock_timeout))
        return await asyncio.shield(done)

    async def read(self, job: Job[T]) -> T:
        """Run the job on one state of the database, beside whatever is being written."""
        self._refuse_closed()
        return await self._reading.run(job)

    def staging(self) -> Staging:
        """A place for the rows of an import; personal data lies beside the database or nowhere."""
        return Staging(lambda: cast(BinaryIO, tempfile.TemporaryFile(dir=self._directory)))

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    async def _close(self) -> None:
        """Finish the changes that were asked for, then close; cancellation does not reach into it."""
        self._closed = True
        self._changes.put_nowait(None)
        await asyncio.shield(self._writer)

    async def _serve(self) -> None:
        """Carry out one change after another until the store closes."""
        try:
            while change := await self._changes.get():
                await self._carry_out(change)
        finally:
            self._closed = True
            await self._writing.close()
            self._refuse_waiting()

    async def _carry_out(self, change: _Change) -> None:
        left = change.deadline - time.monotonic()
        if left <= 0:
            change.done.set_exception(StoreBusyError("too many changes wait before this one; try again later"))
            return
        try:
            change.done.set_result(await self._writing.run(change.job, left))
        except asyncio.CancelledError:
            change.done.set_exception(StoreError("the change was given up; nothing of it has happened"))
            if self._writer.cancelling():  # the task itself is to end, not something that the job waited for
                raise
        except Exception as error:  # noqa: BLE001 - the callback edge: what a job raises goes to who asked for it
            change.done.set_exception(error)

    def _refuse_waiting(self) -> None:
        """Answer the changes that nobody will carry out any more."""
        while not self._changes.empty():
            if change := self._changes.get_nowait():
                change.done.set_exception(StoreError("the store was closed before the change was made"))


async def _nothing(_connection: AsyncConnection) -> None:
    pass
