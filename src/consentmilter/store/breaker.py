"""A circuit breaker: after a failure, further calls fail at once for a while, then one is let through to try.

Pure but for the clock, which is passed in. Safe to use from several threads.
"""

import threading
from collections.abc import Callable


class Breaker:
    """Closed while things go well; open for `pause` seconds after a failure.

    A probe that never reports counts as failed after `lease` seconds: the longest that a call may take.
    """

    def __init__(self, clock: Callable[[], float], pause: float = 1.0, lease: float = 2.0) -> None:
        self._clock = clock
        self._pause = pause
        self._lease = lease
        self._lock = threading.Lock()
        self._opens_again: float | None = None

    def allows(self) -> bool:
        """Whether a call may be made now. The one that is let through an open breaker has to report."""
        if self._opens_again is None:  # no lock on the way of calls that go well
            return True
        with self._lock:
            now = self._clock()
            if self._opens_again is not None and now < self._opens_again:
                return False
            self._opens_again = now + self._lease
            return True

    def success(self) -> None:
        self._opens_again = None

    def failure(self) -> None:
        with self._lock:
            self._opens_again = self._clock() + self._pause
