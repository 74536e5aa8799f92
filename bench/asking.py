"""Somebody who asks a milter about one recipient after another, and how long each answer takes.

with Asking(socket) as asking:
    ...
    waits = asking.done()
"""

import threading
import time
from itertools import count
from types import TracebackType
from typing import Self

from lab.mta import Mta

_PAUSE = 0.005


class Asking:
    """A thread that plays the MTA, some 200 times a second; a context that ends it."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._enough = threading.Event()
        self._waits: list[float] = []
        self._thread = threading.Thread(target=self._ask, name="asking")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done()

    def done(self) -> list[float]:
        """Stop asking; the seconds that each answer took."""
        self._enough.set()
        self._thread.join()
        return self._waits

    def _ask(self) -> None:
        with Mta(self._socket) as mta:
            mta.connect()
            mta.helo()
            for number in count():
                if self._enough.wait(_PAUSE):
                    return
                mta.mail("<news@acme.example>", {"auth_authen": "newsletter"})
                started = time.monotonic()
                mta.rcpt(f"<first.last{number}@domain{number % 50_000}.example>")
                self._waits.append(time.monotonic() - started)
                mta.abort()
