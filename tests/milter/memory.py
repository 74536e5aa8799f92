"""How much memory the workers of a milter use."""

import re
from collections.abc import Callable
from pathlib import Path

from lab.milter import Milter


def resident_kib(milter: Milter) -> int:
    """The resident set of all workers, in KiB."""
    return sum(
        int(re.findall(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[0])
        for pid in milter.workers()
    )


def assert_flat(milter: Milter, use: Callable[[], None], *, rounds: int, kib: int) -> None:
    """Hold that `rounds` of `use` add less than `kib`, after as many that fill what is filled once."""
    for _ in range(rounds):
        use()
    before = resident_kib(milter)
    for _ in range(rounds):
        use()
    growth = resident_kib(milter) - before
    assert growth < kib, f"{growth} KiB more after {rounds} rounds"
