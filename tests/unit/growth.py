"""Measure how the time of a function grows with its input."""

import time
from collections.abc import Callable

FACTOR = 4
FLOOR = 0.002
"""Seconds below which a measurement says nothing."""


def grows_linearly(function: Callable[[str], object], make: Callable[[int], str], size: int) -> bool:
    """Whether input of 4 times the size takes less than 10 times as long; quadratic growth takes 16 times.

    The best of several runs counts, and several tries are allowed: a busy machine makes a run longer, never shorter.
    """
    small, large = make(size), make(FACTOR * size)
    return any(_best(function, large) <= max(FLOOR, 10 * _best(function, small)) for _ in range(4))


def _best(function: Callable[[str], object], text: str) -> float:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        function(text)
        times.append(time.perf_counter() - start)
    return min(times)
