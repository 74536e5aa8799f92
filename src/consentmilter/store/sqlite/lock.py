"""The lock beside the database: one writer or checkpointer at a time, among all processes.

SQLite before 3.51.3 can, rarely, corrupt a WAL when a checkpoint and another writer meet (the WAL-reset race); this
lock keeps them apart. Who waits stands first in a turnstile, a second lock: a process that writes again and again has
to pass it as well, so it cannot win the lock back before a waiting one had it.

Attempts do not block: a flock given up in a thread would be granted later, to nobody. Every hold opens the file anew,
because one open file locks twice without noticing. Raises StoreBusyError at the deadline, StoreError if a lock file
cannot be opened.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.sqlite import files

_PAUSE = 0.005
"""Seconds between two attempts: short beside a commit, long beside an attempt."""


@contextmanager
def held(database: Path, patience: float) -> Iterator[None]:
    """Hold the database's lock, waiting at most `patience` seconds for it."""
    lock = _Lock(database, patience)
    try:
        while not lock.attempt():
            time.sleep(_PAUSE)
        yield
    finally:
        lock.release()


@asynccontextmanager
async def held_async(database: Path, patience: float) -> AsyncIterator[None]:
    """Hold the database's lock, waiting at most `patience` seconds for it, with the event loop free meanwhile."""
    lock = _Lock(database, patience)
    try:
        while not lock.attempt():  # noqa: ASYNC110 - another process holds it, there is no event to wait for
            await asyncio.sleep(_PAUSE)
        yield
    finally:
        lock.release()


class _Lock:
    """One hold of the lock, from the first attempt to its release."""

    def __init__(self, database: Path, patience: float) -> None:
        self._database = database
        self._deadline = time.monotonic() + patience
        self._turnstile = _FileLock(database.with_name(f"{database.name}-turn"))
        self._lock = _FileLock(database.with_name(f"{database.name}-lock"))

    def attempt(self) -> bool:
        """Take the next steps; whether the lock is held now. Raises StoreBusyError after the deadline."""
        if self._turnstile.attempt() and self._lock.attempt():
            self._turnstile.release()
            return True
        if time.monotonic() >= self._deadline:
            raise StoreBusyError(f"{self._database} is locked by another process that writes; try again later")
        return False

    def release(self) -> None:
        self._turnstile.release()
        self._lock.release()


class _FileLock:
    """A flock on a file made for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def attempt(self) -> bool:
        """Lock without waiting; whether it is held now."""
        if self._descriptor is None:
            try:
                self._descriptor = self._locked()
            except OSError as error:
                raise StoreError(f"cannot lock {self._path}: {error.strerror}") from error
        return self._descriptor is not None

    def release(self) -> None:
        """Closing the only descriptor drops a flock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _locked(self) -> int | None:
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have removed the file in between: others would lock a new one.
            if os.path.samestat(os.fstat(descriptor), self._path.stat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None

    def _open(self) -> int:
        """Open for reading, which is enough for a flock and for every member of the group."""
        try:
            return os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            try:
                return files.create(self._path)
            except FileExistsError:  # another process was first
                return os.open(self._path, os.O_RDONLY)
