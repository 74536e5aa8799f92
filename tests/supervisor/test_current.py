"""The runtime in force, and when those before it may be closed."""

import gc
import threading

from consentmilter.milter.current import Current


class Runtime:
    """Anything, told from others by identity."""


def test_a_handle_fetches_what_is_in_force() -> None:
    """Also after a swap."""
    first, second = Runtime(), Runtime()
    current = Current(first)
    handle = current.handle()
    assert handle() is first
    current.swap(second)
    assert handle() is second


def test_a_retired_runtime_is_given_out_once_its_last_user_has_moved_on() -> None:
    """A user moves on by fetching again."""
    first = Runtime()
    current = Current(first)
    busy, idle = current.handle(), current.handle()
    busy()
    idle()
    current.swap(Runtime())
    waiting = [current.retired]
    idle()
    assert current.take_unused() == []
    busy()
    assert current.take_unused() == [first]
    waiting.append(current.retired)
    assert waiting == [True, False]
    assert current.take_unused() == []


def test_a_session_that_ended_uses_nothing() -> None:
    """Its handle dies with it."""
    first = Runtime()
    current = Current(first)
    handle = current.handle()
    handle()
    current.swap(Runtime())
    assert current.take_unused() == []
    del handle
    gc.collect()
    assert current.take_unused() == [first]


def test_a_session_that_never_fetched_uses_nothing() -> None:
    """An idle connection does not keep a runtime open."""
    first = Runtime()
    current = Current(first)
    handle = current.handle()
    current.swap(Runtime())
    assert current.take_unused() == [first]
    assert handle() is not first


def test_equal_runtimes_are_not_taken_for_each_other() -> None:
    """Identity counts, since frozen dataclasses are equal by value."""
    first, second = [0], [0]
    current = Current(first)
    handle = current.handle()
    current.swap(second)
    handle()
    assert [runtime is first for runtime in current.take_unused()] == [True]


def test_at_the_end_everything_is_given_out_once() -> None:
    """Used or not: the process ends."""
    first, second = Runtime(), Runtime()
    current = Current(first)
    handle = current.handle()
    handle()
    current.swap(second)
    assert current.take_all() == [first, second]
    assert current.take_all() == []


def test_no_runtime_is_given_out_while_a_thread_uses_it() -> None:
    """Sessions fetch while reloads swap, in as many threads as libmilter likes."""
    closed: set[int] = set()
    faults: list[str] = []
    current = Current(Runtime())
    stop = threading.Event()

    def session() -> None:
        while not stop.is_set():
            handle = current.handle()
            for _ in range(20):
                runtime = handle()
                if id(runtime) in closed:
                    faults.append("a closed runtime was given out")

    threads = [threading.Thread(target=session) for _ in range(4)]
    for thread in threads:
        thread.start()
    kept = []  # so that no identity is used twice
    for _ in range(2000):
        current.swap(Runtime())
        for runtime in current.take_unused():
            kept.append(runtime)
            closed.add(id(runtime))
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(closed) > 1000
