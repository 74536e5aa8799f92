"""How long a post stays empty."""

from consentmilter.supervisor.post import MAX_PAUSE, pause_after


def test_the_pause_doubles_with_every_young_death_up_to_half_a_minute() -> None:
    """No pause for a child that had lived."""
    assert [pause_after(failures) for failures in range(8)] == [0, 1, 2, 4, 8, 16, MAX_PAUSE, MAX_PAUSE]
    assert pause_after(10_000) == MAX_PAUSE
