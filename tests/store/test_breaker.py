"""The circuit breaker, with a clock of the test's."""

from consentmilter.store.breaker import Breaker


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_allowed_while_they_succeed() -> None:
    """A closed breaker is in nobody's way."""
    breaker = Breaker(Clock())
    for _ in range(3):
        assert breaker.allows()
        breaker.success()


def test_after_a_failure_calls_are_refused_for_the_pause() -> None:
    """A store in trouble is not asked a thousand times a second."""
    clock = Clock()
    breaker = Breaker(clock, pause=1.0)
    breaker.failure()
    assert not breaker.allows()
    clock.now += 0.99
    assert not breaker.allows()
    clock.now += 0.01
    assert breaker.allows()


def test_one_probe_is_let_through_at_a_time() -> None:
    """The others go on being refused until the probe has come back."""
    clock = Clock()
    breaker = Breaker(clock, pause=1.0)
    breaker.failure()
    clock.now += 1.0
    assert breaker.allows()
    assert not breaker.allows()
    breaker.success()
    assert breaker.allows()
    assert breaker.allows()


def test_a_probe_that_fails_begins_the_pause_again() -> None:
    """Recovery needs a success."""
    clock = Clock()
    breaker = Breaker(clock, pause=1.0)
    breaker.failure()
    clock.now += 1.0
    assert breaker.allows()
    breaker.failure()
    assert not breaker.allows()
    clock.now += 1.0
    assert breaker.allows()


def test_a_probe_that_never_reports_does_not_keep_the_breaker_open() -> None:
    """A thread may die; the store must come back nevertheless."""
    clock = Clock()
    breaker = Breaker(clock, pause=1.0, lease=2.0)
    breaker.failure()
    clock.now += 1.0
    assert breaker.allows()
    clock.now += 1.9
    assert not breaker.allows()
    clock.now += 0.1
    assert breaker.allows()
