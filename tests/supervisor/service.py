"""A running supervisor under test: its configuration, its log, its children and their end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import yaml

from consentmilter.supervisor.address import InetAddress, UnixAddress, parse
from lab.process import PATIENCE, wait_for

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.supervisor.command")


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be reaped does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


class Service:
    """A supervisor process; `milter` are keys of that section of its configuration."""

    def __init__(self, directory: Path, **milter: Any) -> None:
        self.directory = directory
        self.file = directory / "consentmilter.yaml"
        self.log_file = directory / "log"
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.milter = {
            "socket": f"unix:{directory}/milter.sock",
            "socket_group": None,
            "workers": 2,
            "drain": 10,
            **milter,
        }
        self.sections: dict[str, Any] = {}
        """Other sections of the configuration, such as web."""
        self.environment: dict[str, str] = {}
        self.configure()
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, mode: str = "observe", **milter: Any) -> None:
        """Write the configuration."""
        self.milter |= milter
        self.file.write_text(yaml.safe_dump({"mode": mode, "milter": self.milter, **self.sections}))

    def serves(self, **sections: Any) -> Self:
        """Set up other roles beside the milter, by their sections of the configuration."""
        self.sections |= sections
        self.configure()
        return self

    def start(self, command: tuple[str, ...] = COMMAND, *, pass_fds: tuple[int, ...] = ()) -> Self:
        """Start it; does not wait."""
        with self.log_file.open("ab") as out:
            self._process = subprocess.Popen(
                [*command, str(self.file)],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                pass_fds=pass_fds,
                env={
                    **os.environ,
                    "APPLICATION_DIRECTORY": str(self.directory),
                    "TMPDIR": str(self.temporary),
                    "PYTHONWARNINGS": "error",
                    **self.environment,
                },
            )
        return self

    def ready(self) -> Self:
        """Wait until it says so."""
        self.said("ready")
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def path(self) -> Path:
        address = self.address
        assert isinstance(address, UnixAddress)
        return address.path

    @property
    def address(self) -> UnixAddress | InetAddress:
        return parse(self.milter["socket"])

    def log(self) -> list[dict[str, Any]]:
        """What was logged, by the supervisor and the workers."""
        return self._entries("")

    def events(self, name: str) -> list[dict[str, Any]]:
        return [entry for entry in self._entries(f'"{name}"') if entry["event"] == name]

    def _entries(self, part: str) -> list[dict[str, Any]]:
        """What the lines say that have this text in them; tests ask often, and most lines are not what they ask for."""
        lines = self.log_file.read_text().splitlines() if self.log_file.exists() else []
        return [json.loads(line) for line in lines if part in line and line.startswith("{") and line.endswith("}")]

    def complaints(self) -> list[str]:
        """What libmilter, or Python outside of the log, wrote to standard error (where there is no syslog)."""
        return [line for line in self.log_file.read_text().splitlines() if not line.startswith("{")]

    def said(self, name: str, count: int = 1, within: float = PATIENCE) -> dict[str, Any]:
        """Wait until the event was logged `count` times; the last of them."""
        wait_for(lambda: len(self.events(name)) >= count or not self.running, f"{name}: {self}", timeout=within)
        assert len(self.events(name)) >= count, f"ended before {name}: {self}"
        return self.events(name)[count - 1]

    def workers(self, role: str | None = None) -> list[int]:
        """The process ids of the children that live, of all roles or of one."""
        started = [entry for entry in self.events("child_started") if role in (None, entry["role"])]
        return [entry["pid"] for entry in started if alive(entry["pid"])]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, within: float = PATIENCE) -> int:
        """Wait until it has left; its exit code."""
        return self.process.wait(within)

    def stop(self) -> int:
        """Tell it to leave, and wait."""
        self.signal(signal.SIGTERM)
        return self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(PATIENCE)
        for pid in self.workers():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.workers(), "the end of all children")

    def __str__(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else "no log"
