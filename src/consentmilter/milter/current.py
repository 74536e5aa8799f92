"""The runtime in force, and when those before it can be closed.

A reload swaps runtimes under open sessions, and a session keeps the one that it fetched at MAIL until the message is
over. Nobody tells us when that is, and no grace is long enough for every message (RFC 5321 4.5.3.2 allows ten minutes
for the end of data alone), so use is counted: each session fetches through a `Handle` of its own, which remembers what
it gave out last. A runtime that is no longer in force and that no living handle remembers has no user. Sessions need
not give anything back: the next MAIL of the session or its end does. Raises nothing.
"""

import threading
import weakref
from collections.abc import Iterable
from typing import Generic, TypeVar

R = TypeVar("R")


class Current(Generic[R]):
    """The runtime in force. Safe to use from all threads."""

    def __init__(self, runtime: R) -> None:
        self._lock = threading.Lock()
        self._runtime = runtime
        self._open = [runtime]
        self._handles: weakref.WeakSet[Handle[R]] = weakref.WeakSet()

    def handle(self) -> "Handle[R]":
        """What a new session fetches the runtime with."""
        handle = Handle(self)
        with self._lock:
            self._handles.add(handle)
        return handle

    def swap(self, runtime: R) -> None:
        """Put `runtime` in force; the one before is retired."""
        with self._lock:
            self._runtime = runtime
            self._open.append(runtime)

    @property
    def retired(self) -> bool:
        """Whether runtimes wait to be closed."""
        return len(self._open) > 1

    def take_unused(self) -> list[R]:
        """The retired runtimes that no session uses any more, each given out once: close them."""
        with self._lock:
            used = [self._runtime, *(handle.held for handle in self._handles)]
            unused = [runtime for runtime in self._open if not _among(runtime, used)]
            self._open = [runtime for runtime in self._open if _among(runtime, used)]
            return unused

    def take_all(self) -> list[R]:
        """Every runtime that is still open, used or not, at the end of the process; given out once."""
        with self._lock:
            everything, self._open = self._open, []
            return everything

    def fetch(self, handle: "Handle[R]") -> R:
        """The runtime in force, remembered as used through `handle`."""
        with self._lock:
            handle.held = self._runtime
            return self._runtime


class Handle(Generic[R]):
    """One session's way to the current runtime: call it at MAIL, and keep the answer for that message only."""

    __slots__ = ("__weakref__", "_current", "held")

    def __init__(self, current: Current[R]) -> None:
        self._current = current
        self.held: R | None = None

    def __call__(self) -> R:
        return self._current.fetch(self)


def _among(runtime: object, others: Iterable[object]) -> bool:
    # By identity: runtimes may be equal by value, as frozen dataclasses are.
    return any(runtime is other for other in others)
