"""What the applications of the web and the intake role under test have in common.

Files in the directory that APPLICATION_DIRECTORY names steer them and tell what they did, as in `application`:

    ROLE-refuse   `build` refuses, with the file's text as the reason
    ROLE-break    `build` raises what nobody expects
    ROLE-opened-PID-N, ROLE-closed-PID-N
                  what became of application number N of that process
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consentmilter import log
from consentmilter.config import Config
from consentmilter.errors import KeyFileError

DIRECTORY = Path(os.environ["APPLICATION_DIRECTORY"])

_numbers = itertools.count(1)


@dataclass
class Runtime:
    mode: str
    number: int
    closed: bool = False

    def stamp(self) -> str:
        """What an answer under this runtime carries; using one that is closed is the fault to be found."""
        if self.closed:
            raise RuntimeError("a closed runtime was used")
        return f"{os.getpid()} {self.mode} {self.number}"


@contextmanager
def runtime(role: str, config: Config) -> Iterator[Runtime]:
    """One application from its start to its end."""
    log.configure("json")
    if (DIRECTORY / f"{role}-refuse").exists():
        raise KeyFileError((DIRECTORY / f"{role}-refuse").read_text())
    if (DIRECTORY / f"{role}-break").exists():
        raise ZeroDivisionError("a fault in build")
    made = Runtime(str(config.mode), next(_numbers))
    (DIRECTORY / f"{role}-opened-{os.getpid()}-{made.number}").touch()
    try:
        yield made
    finally:
        made.closed = True
        (DIRECTORY / f"{role}-closed-{os.getpid()}-{made.number}").touch()
