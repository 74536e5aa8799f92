"""Child processes that end with the block that started them.

A `Process` leads a session of its own and carries a mark in its environment, so that `stop` finds whatever it started
in turn (Postfix's daemons, a supervisor's workers) by these, never by name. Every wait has a bound. Raises `LabError`
with the output so far when a process cannot be started, ends too early, or does not do in time what was waited for.
"""

import contextlib
import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGTERM, Signals
from typing import IO, NamedTuple, TypeVar

from lab.errors import LabError
from lab.part import Part

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that are waited for what comes at once on an idle machine; a busy one may need some of them."""


def wait_for(condition: Callable[[], T | None], what: str, *, timeout: float = PATIENCE) -> T:
    """The first true value of `condition`, asked every 10 ms; less often if to ask it takes the processor long."""
    deadline = time.monotonic() + timeout
    while True:
        asked = time.thread_time()
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(max(0.01, 3 * (time.thread_time() - asked)))


def session_members(session: int) -> list[int]:
    """The ids of all living processes of a session; one that only waits to be reaped is not living."""
    return [pid for pid, stat in _living() if stat.session == session]


def command_name(pid: int) -> str:
    """The name of a process's program, as ps(1) shows it; empty for one that has ended."""
    return _read(Path(f"/proc/{pid}/comm")).decode().rstrip("\n")


class _Stat(NamedTuple):
    """What /proc/PID/stat tells of a process: its state, its session, and when it began, in ticks of the machine."""

    state: bytes
    session: int
    began: int


def _stat(pid: int) -> _Stat | None:
    """None for a process that is gone."""
    if not (text := _read(Path(f"/proc/{pid}/stat"))):
        return None
    # proc(5): "pid (name) state ppid pgrp session ..."; the name may hold spaces and parentheses.
    fields = text.rpartition(b")")[2].split()
    return _Stat(fields[0], int(fields[3]), int(fields[19]))


def _living() -> Iterator[tuple[int, _Stat]]:
    """All living processes."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))) and stat.state not in (b"Z", b"X"):
            yield int(entry.name), stat


def _read(path: Path) -> bytes:
    """A file of /proc; empty when the process has ended meanwhile, or is not ours to look into."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


class Process(Part):
    """One program with its output captured, started in its own session; it can be started again after a stop."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        name: str | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self.name = name or Path(self.arguments[0]).name
        # Found again in the environment of whatever it starts, even in sessions of their own.
        mark = f"LAB_PROCESS_{uuid.uuid4().hex}"
        self._mark = mark.encode()
        self._environment = {**(environment or {}), mark: "1"}
        self._began = 0
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None
        self._capture: IO[bytes] | None = None
        self._past_output = ""

    def start(self) -> None:
        if self._child is not None:
            raise LabError(f"{self.name}: has been started already")
        self._capture = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process lives
        try:
            self._child = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=self._capture,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )
        except OSError as error:
            self._capture.close()
            self._capture = None
            raise LabError(f"{self.name}: cannot be started: {error}") from error
        stat = _stat(self._child.pid)
        self._began = stat.began if stat else 0

    @property
    def pid(self) -> int:
        if self._child is None:
            raise LabError(f"{self.name}: is not started")
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def members(self) -> list[int]:
        """The ids of the process and of everything it started that still lives."""
        return [pid for pid, stat in _living() if stat.session == self.pid or self._has_started(pid, stat)]

    def output(self) -> str:
        """What it has written so far, or wrote before it was stopped, both streams."""
        if self._capture is None:
            return self._past_output
        # pread, because the child writes through the same file offset.
        size = os.fstat(self._capture.fileno()).st_size
        return os.pread(self._capture.fileno(), size, 0).decode(errors="backslashreplace")

    def signal(self, number: Signals) -> None:
        """Send a signal to the process itself, not to what it started."""
        if self._child is not None:
            self._child.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; return the exit code, negative for a signal."""
        if self._child is None:
            raise LabError(f"{self.name}: is not started")
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.name}: still runs after {timeout:g} s:\n{self.output()}") from None

    def wait_until(self, condition: Callable[[], object], what: str, *, timeout: float = PATIENCE) -> None:
        """Wait for a condition that only this process can bring about; its early end is an error at once."""

        def settled() -> str | None:
            running = self.running  # asked first: what it brought about before its end counts
            return "done" if condition() else None if running else "ended"

        try:
            outcome = wait_for(settled, f"{self.name}: {what}", timeout=timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self.output()}") from None
        if outcome == "ended":
            raise LabError(f"{self.name}: ended before {what}:\n{self.output()}")

    def stop(self, grace: float = 10.0) -> None:
        """End it and all it started: politely first, after `grace` seconds by force. May be called at any time."""
        if self._child is None:
            return
        self._child.terminate()
        self._child.send_signal(SIGCONT)  # one that a test has frozen takes its SIGTERM only now
        try:
            wait_for(lambda: not self.running, f"the end of {self.name}", timeout=grace)
            self._signal_members(SIGTERM)  # for whatever it has left behind
            wait_for(self._is_gone, f"the end of what {self.name} started", timeout=grace)
        except LabError:
            self.kill()
        self._forget()

    def kill(self) -> None:
        """SIGKILL for it and all it started, as a crash would; `stop` is still due."""
        if self._child is None:
            return
        wait_for(self._killed, f"the end of {self.name} by SIGKILL")

    def _killed(self) -> bool:
        self._signal_members(SIGKILL)
        return self._is_gone()

    def _signal_members(self, number: Signals) -> None:
        for pid in self.members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _has_started(self, pid: int, stat: _Stat) -> bool:
        """Whether it bears the mark; what is older than the child cannot, and need not be looked into."""
        return stat.began >= self._began and self._mark in _read(Path(f"/proc/{pid}/environ"))

    def _is_gone(self) -> bool:
        return not self.running and not self.members()

    def _forget(self) -> None:
        self._past_output = self.output()
        if self._capture is not None:
            self._capture.close()
        self._capture = self._child = None
