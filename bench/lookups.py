"""What one look-up costs, store by store: the mail path's own reader, asked about people of whom half are listed.

Stores take turns within a round, so that a slow minute of the machine hits all alike. Raises `StoreError`.
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median

from bench.nodes import Node, person
from consentmilter.keys import KeyRing, subject_of
from consentmilter.service.keyfile import read_keys
from consentmilter.store.reader import Reader

SIZES = (1, 10, 100)
"""Recipients of one look-up."""

_DEADLINE = 10.0

Waits = dict[str, list[float]]
"""Of each store the median of each round, in microseconds."""


def measure(
    nodes: Sequence[Node], people: int, rounds: int, count: int, progress: Callable[[str], object]
) -> dict[int, Waits]:
    """So many look-ups of each size in each store and round."""
    dice = random.Random(people)
    with ExitStack() as closing:
        rings = {node.name: read_keys(node.key_file) for node in nodes}
        readers = {
            node.name: closing.enter_context(Reader(node.url, rings[node.name].checks(), _DEADLINE)) for node in nodes
        }
        waits: dict[int, Waits] = {size: {name: [] for name in readers} for size in SIZES}
        for number in range(1, rounds + 1):
            for size, found in waits.items():
                for name, reader in readers.items():
                    asked = [_subjects(rings[name], people, size, dice) for _ in range(max(10, count // size))]
                    found[name].append(median(_ask(reader, asked)))
                told = ", ".join(f"{name} {each[-1]:.0f} us" for name, each in found.items())
                progress(f"round {number} of {rounds}: {size} recipients: {told}")
    return waits


def _subjects(ring: KeyRing, people: int, size: int, dice: random.Random) -> list[bytes]:
    """The keys of some addresses, half of them listed, and of their domains and parent domains."""
    names = []
    for _ in range(size):
        address = person(dice.randrange(2 * people))
        domain = address.rpartition("@")[2]
        names += [address, domain, f".{domain}", ".example"]
    return [subject_of(name, ring) for name in names]


def _ask(reader: Reader, lookups: Sequence[Sequence[bytes]]) -> list[float]:
    for subjects in lookups[:10]:
        reader.look_up(subjects)
    return [_timed(reader, subjects) for subjects in lookups]


def _timed(reader: Reader, subjects: Sequence[bytes]) -> float:
    started = time.perf_counter()
    reader.look_up(subjects)
    return 1e6 * (time.perf_counter() - started)
