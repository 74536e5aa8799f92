"""What the benches share of a command line: numbers with a least value, and progress on standard error."""

import sys


def positive(text: str) -> int:
    """A whole number from 1; raises ValueError for any other."""
    return _at_least(1, text)


def natural(text: str) -> int:
    """A whole number from 0; raises ValueError for any other."""
    return _at_least(0, text)


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def _at_least(least: int, text: str) -> int:
    number = int(text)
    if number < least:
        raise ValueError(text)
    return number
