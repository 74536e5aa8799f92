"""Milters for tests that play the MTA: one that all share, one whose faults can be switched on, and some for one test.

The seed of all that is random is printed; CONSENTMILTER_SEED repeats a run. This directory has no __init__.py: pytest
puts the one above it on the path, where it would be imported in place of pymilter's module of the same name.
"""

import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lab.directory import public_directory
from lab.milter import Milter
from tests.milter.site import CONFIG

ROOT = Path(__file__).parents[2]

Start = Callable[..., Milter]


@pytest.fixture
def dice() -> random.Random:
    """Randomness of a seed that is printed, and so shown with a test that fails."""
    seed = os.environ.get("CONSENTMILTER_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"CONSENTMILTER_SEED={seed}")  # noqa: T201 - pytest shows it with a test that fails
    return random.Random(seed)


@pytest.fixture(scope="session")
def shared() -> Iterator[Milter]:
    """A milter that lives as long as the session."""
    with public_directory() as directory, Milter(directory, config=CONFIG) as milter:
        yield milter


@pytest.fixture
def start(shared: Milter) -> Iterator[Start]:
    """Get the shared milter: `start(mode="observe")`; keys are laid over the site's. No worker may die of the test."""
    workers = shared.workers()

    def renew(**config: Any) -> Milter:
        shared.renew({**CONFIG, **config})
        return shared

    yield renew
    assert shared.workers() == workers


@pytest.fixture
def milter(start: Start) -> Milter:
    """The shared milter under the site's configuration."""
    return start()


@pytest.fixture
def start_own() -> Iterator[Start]:
    """Start a milter for this test alone, which may break it."""
    with ExitStack() as stack:

        def start_one(**config: Any) -> Milter:
            directory = stack.enter_context(public_directory())
            return stack.enter_context(Milter(directory, config={**CONFIG, **config}))

        yield start_one


class Breakable(Milter):
    """A milter with `tests.milter.application`."""

    def __init__(self, directory: Path) -> None:
        self._defects = directory / "defects"
        self.defects()
        environment = {"DEFECTS": str(self._defects), "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
        command = [sys.executable, "-m", "tests.milter.command"]
        super().__init__(directory, config=CONFIG, command=command, environment=environment)

    def defects(self, *words: str) -> None:
        """Switch these on and all others off."""
        self._defects.write_text(" ".join(words), encoding="ascii")


@pytest.fixture(scope="session")
def shared_breakable() -> Iterator[Breakable]:
    with public_directory() as directory, Breakable(directory) as milter:
        yield milter


@pytest.fixture
def breakable(shared_breakable: Breakable) -> Breakable:
    """A milter under the site's configuration, in which nothing is broken yet."""
    shared_breakable.defects()
    shared_breakable.renew(CONFIG)
    return shared_breakable
