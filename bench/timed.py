"""How long a command takes, and how much memory it and its children have at most. Raises `LabError` where it fails."""

import os
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import session_members

_PAUSE = 0.05
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from start to end, those of the processor, and the resident memory of all processes at its highest."""

    seconds: float
    cpu: float
    octets: int


def timed(command: Sequence[str | Path]) -> Run:
    """Run a command that must end well; memory is looked at twenty times a second, shared pages count for each."""
    started, used, octets = time.monotonic(), _cpu(), 0
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        while process.poll() is None:
            octets = max(octets, sum(map(_resident, session_members(process.pid))))
            time.sleep(_PAUSE)
        seconds = time.monotonic() - started
        assert process.stdout is not None
        said = process.stdout.read().decode(errors="replace")
    if process.returncode != 0:
        raise LabError(f"{Path(command[0]).name}: exit {process.returncode}: {said}")
    return Run(seconds, _cpu() - used, octets)


def _cpu() -> float:
    """What all children have used that have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):  # it has ended meanwhile
        return 0
