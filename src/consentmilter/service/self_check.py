"""The mail path's part in the self-check of DKIM signatures: copies to look at, and what came of it.

Mailbox providers heed List-Unsubscribe-Post only if a signature covers it (RFC 8058 section 4). So a copy of one
message a stream and hour goes to our own intake, and where it found the fields uncovered, the one-click field is
withheld.
"""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from consentmilter.errors import StoreError

EVERY = timedelta(hours=1)
POLL = 10.0


class Copies:
    """Which messages are copied to `address`: the first of a stream, and then one an hour."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._due: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def take(self, stream: str, now: datetime) -> str | None:
        """The address, if a copy of this stream's mail is due."""
        with self._lock:
            if now < self._due.get(stream, now):
                return None
            self._due[stream] = now + EVERY
        return self._address


class Withheld:
    """The streams without the one-click field, asked for every ten seconds by a thread of its own.

    While the store is away, what was known last holds.
    """

    def __init__(self, read: Callable[[], frozenset[str]], on_change: Callable[[frozenset[str]], None]) -> None:
        self._read = read
        self._on_change = on_change
        self._streams: frozenset[str] = frozenset()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="self-check", daemon=True)
        self._thread.start()

    def __contains__(self, stream: str) -> bool:
        return stream in self._streams

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._thread.join(POLL)

    def _run(self) -> None:
        while True:
            self._refresh()
            if self._closing.wait(POLL):
                return

    def _refresh(self) -> None:
        try:
            streams = self._read()
        except StoreError:
            return  # every look-up says so already
        if streams != self._streams:
            self._streams = streams
            self._on_change(streams)
