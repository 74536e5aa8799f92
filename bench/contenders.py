"""What is compared: no milter at all, the C floor, and any milter that a command starts.

A contender is started once, serves all rounds on its socket, and is stopped at the end. Raises `LabError` when it does
not start, `Floor` also when there is no compiler or no libmilter to build it with.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from lab.errors import LabError
from lab.ports import serves
from lab.process import Process

SOURCE = Path(__file__).with_name("floor.c")


class Contender(Protocol):
    """One way to run the same Postfix."""

    @property
    def name(self) -> str:
        """What the table calls it."""

    def start(self) -> str:
        """Start it and return its socket as smtpd_milters wants it, once it serves; empty for no milter."""

    def stop(self) -> None:
        """Stop it; may be called at any time."""


class NoMilter:
    """Postfix alone."""

    name = "no milter"

    def start(self) -> str:
        return ""

    def stop(self) -> None:
        return


class Command:
    """A milter that a command starts and that serves on a unix socket."""

    def __init__(self, name: str, command: Sequence[str | Path], path: Path) -> None:
        self.name = name
        self._path = path
        self._process = Process(command, name=name)

    def start(self) -> str:
        self._process.start()
        self._process.wait_until(lambda: serves(self._path), f"a connection to {self._path}", timeout=60)
        return f"unix:{self._path.absolute()}"

    def stop(self) -> None:
        self._process.stop()


class Floor(Command):
    """The C milter, built in a directory that Postfix's user can enter."""

    def __init__(self, directory: Path) -> None:
        path = directory / "floor.sock"
        super().__init__("C floor", [directory / "floor", path], path)
        self._directory = directory

    def start(self) -> str:
        build_floor(self._directory)
        return super().start()

    def stop(self) -> None:
        # It has nothing to lose, and libmilter takes up to five seconds to heed a SIGTERM.
        self._process.kill()
        super().stop()


def build_floor(directory: Path) -> Path:
    """Compile floor.c into the directory; return the program."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise LabError("no C compiler: the floor cannot be built")
    program = directory / "floor"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(SOURCE), "-lmilter", "-lpthread"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise LabError(f"the floor cannot be built:\n{built.stderr}")
    return program
