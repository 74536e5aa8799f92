"""Measure how the time of a function grows with its input."""

import gc
import time
from collections.abc import Callable
from typing import TypeVar

Input = TypeVar("Input")

FACTOR = 16
LIMIT = 80
"""How much longer 16 times the input may take: linear growth takes 16 times as long, quadratic 256."""

FLOOR = 0.002
"""Seconds below which a measurement says nothing."""

TRIES = 3
BEST_OF = 3
RUNS = TRIES * BEST_OF
"""How often a function runs at most on one input."""


def grows_linearly(function: Callable[[Input], object], make: Callable[[int], Input], size: int) -> bool:
    """Whether 16 times the input takes not much more than 16 times as long.

    Counted is the processor's time in this thread, the best of several runs, so that a busy machine changes nothing;
    without the collector of garbage, whose time grows with all that the process holds.
    """
    small, large = make(size), make(FACTOR * size)
    return any(_best(function, large) <= max(FLOOR, LIMIT * _best(function, small)) for _ in range(TRIES))


def _best(function: Callable[[Input], object], given: Input) -> float:
    times = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(BEST_OF):
            start = time.thread_time()
            function(given)
            times.append(time.thread_time() - start)
    finally:
        gc.enable()
    return min(times)
