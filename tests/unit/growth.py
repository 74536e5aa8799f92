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
"""How often a function runs at most on one input. On the large one it runs once a try, which takes longest."""


def grows_linearly(function: Callable[[Input], object], make: Callable[[int], Input], size: int) -> bool:
    """Whether 16 times the input takes not much more than 16 times as long.

    Counted is the processor's time in this thread, and there are several tries, so that a busy machine changes nothing;
    without the collector of garbage, whose time grows with all that the process holds.
    """
    small, large = make(size), make(FACTOR * size)
    return any(
        _time(function, large) <= max(FLOOR, LIMIT * min(_time(function, small) for _ in range(BEST_OF)))
        for _ in range(TRIES)
    )


def _time(function: Callable[[Input], object], given: Input) -> float:
    gc.disable()
    try:
        start = time.thread_time()
        function(given)
        return time.thread_time() - start
    finally:
        gc.enable()
