"""Load from smtp-source(1), Postfix's own generator: how many messages a second a listener takes.

Every reply but the expected ones ends it, so a rate is always one of accepted mail. Raises `LabError` when smtp-source
is missing, is refused, or does not finish in time.
"""

import shutil
import subprocess
import time
from dataclasses import dataclass, replace
from typing import Self

from lab.errors import LabError


@dataclass(frozen=True, slots=True)
class Load:
    """So many messages of so many octets over so many sessions at a time; `reuse`: many messages a session."""

    messages: int = 2000
    sessions: int = 10
    length: int = 4096
    reuse: bool = False
    sender: str = "news@test.example"
    recipient: str = "bob@example.org"

    def with_reuse(self, reuse: bool) -> Self:
        return replace(self, reuse=reuse)

    def arguments(self, port: int) -> list[str]:
        numbers = {"-s": self.sessions, "-m": self.messages, "-l": self.length}
        counts = [word for option, number in numbers.items() for word in (option, str(number))]
        # -N numbers the recipients, so that neither Postfix's caches nor a milter's meet one address only.
        reuse = ["-d"] if self.reuse else []
        return [*reuse, "-N", *counts, "-f", self.sender, "-t", self.recipient, f"inet:127.0.0.1:{port}"]


def drive(port: int, load: Load, *, timeout: float = 600.0) -> float:
    """Send the load to a listener on loopback; return the messages a second."""
    program = shutil.which("smtp-source")
    if program is None:
        raise LabError("smtp-source is missing; it comes with Postfix")
    started = time.monotonic()
    try:
        done = subprocess.run(
            [program, *load.arguments(port)], capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise LabError(f"smtp-source did not finish within {timeout:g} s") from None
    if done.returncode != 0:
        raise LabError(f"smtp-source: exit {done.returncode}: {done.stderr.strip()}")
    return load.messages / (time.monotonic() - started)
