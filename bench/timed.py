"""How long a command takes, and how much memory it and its children have at most. Raises `LabError` where it fails."""

import re
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.process import session_members

_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from start to end, those of the processor, and the most resident memory of all processes added up."""

    seconds: float
    cpu: float
    octets: int


def timed(command: Sequence[str | Path]) -> Run:
    """Run a command that must end well; its memory is the most that each of its processes had, shared pages in each."""
    started, used, octets = time.monotonic(), _cpu(), dict[int, int]()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    ) as process:
        while _runs(process):
            octets |= {pid: _most_resident(pid) or octets.get(pid, 0) for pid in session_members(process.pid)}
        seconds = time.monotonic() - started
        assert process.stdout is not None
        said = process.stdout.read().decode(errors="replace")
    if process.returncode != 0:
        raise LabError(f"{Path(command[0]).name}: exit {process.returncode}: {said}")
    return Run(seconds, _cpu() - used, sum(octets.values()))


def _runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether it still does a moment later: to look more often would take the processor from it."""
    try:
        process.wait(_PAUSE)
    except subprocess.TimeoutExpired:
        return True
    return False


def _cpu() -> float:
    """What all children have used that have ended, and theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _most_resident(pid: int) -> int:
    """Octets that the process had at most so far (proc(5), VmHWM); 0 if it has ended meanwhile."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0
