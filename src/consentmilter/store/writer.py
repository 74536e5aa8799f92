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
from typing import Any, BinaryIO, Self, TypeVar, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.databases import Database, Reads, Writes, database
from consentmilter.store.staging import Spill

T = TypeVar("T")

Job = Callable[[AsyncConnection], Awaitable[T]]
"""What runs in one transaction."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A job on its way to the writer task, where its outcome goes, and how long it may wait for its turn."""

    job: Job[Any]
    done: asyncio.Future[Any]
    deadline: float
    late: asyncio.TimerHandle
    lasting: bool


class Store:
    """The suppressions and their ledger, open in this process; made by `Store.open`."""

    def __init__(self, place: Database, reading: Reads, writing: Writes, lock_timeout: float) -> None:
        self._place = place
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
        place = database(url)
        reading = place.reads(key_checks, lock_timeout)
        try:
            await reading.run(_nothing)  # a store that cannot be served from is refused here, not at the first use
            store = cls(place, reading, place.writes(key_checks, lock_timeout), lock_timeout)
            try:
                yield store
            finally:
                await store._close()
        finally:
            await reading.close()

    async def write(self, job: Job[T], *, lasting: bool = True) -> T:
        """Run the job in one transaction and return its result after commit.

        A change that is not `lasting` may be lost with a server that fails, as long as no lasting one came after it:
        for parts of something that is told of at its end, and done again if it has none.
        """
        self._refuse_closed()
        if asyncio.current_task() is self._writer:
            raise StoreError("a change cannot wait for another change: make both in one job")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        # A caller that left fetches no outcome, and asyncio would complain about an exception never retrieved.
        done.add_done_callback(lambda future: future.cancelled() or future.exception())
        late = loop.call_later(self._lock_timeout, _refuse_late, done)
        self._changes.put_nowait(_Change(job, done, time.monotonic() + self._lock_timeout, late, lasting))
        return await asyncio.shield(done)

    async def read(self, job: Job[T]) -> T:
        """Run the job on one state of the database, beside whatever is being written."""
        self._refuse_closed()
        return await self._reading.run(job)

    @property
    def copies(self) -> bool:
        """Whether many rows go in as `consentmilter.store.ready` writes them."""
        return self._place.copies

    def spill(self) -> Spill:
        """A place for the rows of an import: a file without a name, beside the database if that is a file too."""
        beside = self._place.file and self._place.file.parent
        return Spill(lambda: cast(BinaryIO, tempfile.TemporaryFile(dir=beside)))

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
        if change.done.done():
            return
        change.late.cancel()
        try:
            left = max(change.deadline - time.monotonic(), 0.0)
            change.done.set_result(await self._writing.run(change.job, left, lasting=change.lasting))
        except asyncio.CancelledError:
            change.done.set_exception(StoreError("the change was given up; nothing of it has happened"))
        except Exception as error:  # noqa: BLE001 - the callback edge: what a job raises goes to who asked for it
            change.done.set_exception(error)
        if self._writer.cancelling():  # the task itself is to end, not something that the job waited for
            raise asyncio.CancelledError

    def _refuse_waiting(self) -> None:
        """Answer the changes that nobody will carry out any more."""
        while not self._changes.empty():
            change = self._changes.get_nowait()
            if change and not change.done.done():
                change.late.cancel()
                change.done.set_exception(StoreError("the store was closed before the change was made"))


def _refuse_late(done: asyncio.Future[Any]) -> None:
    """Answer a change whose turn has not come in time; whoever is before it may have frozen."""
    if not done.done():
        done.set_exception(StoreBusyError("too many changes wait before this one; try again later"))


async def _nothing(_connection: AsyncConnection) -> None:
    pass
