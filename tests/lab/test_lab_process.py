"""Processes of the laboratory: whatever a test starts is gone afterwards, and says why it failed."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.process import Process, command_name, session_members, wait_for


def python(code: str) -> Process:
    return Process([sys.executable, "-u", "-c", code])


@contextmanager
def started(code: str) -> Iterator[Process]:
    """A Python program that has said "ready"."""
    with python(code) as process:
        process.wait_until(lambda: "ready" in process.output(), "its start")
        yield process


PARENT = """
import subprocess, time
subprocess.Popen(["sleep", "60"])
print("ready")
time.sleep(60)
"""
DEAF = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready")
time.sleep(60)
"""
SLEEPER = "import time; print('ready'); time.sleep(60)"


def test_stopping_a_process_ends_what_it_started_too() -> None:
    """A signal to the parent alone leaves its child; `stop` does not."""
    with started(PARENT) as process:
        session = process.pid
        wait_for(lambda: len(session_members(session)) == 2, "the child")
        process.signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
        assert len(session_members(session)) == 1
    assert session_members(session) == []


def test_a_child_in_a_session_of_its_own_is_ended_too() -> None:
    """As a supervisor's workers are: neither the session nor, once the parent is gone, the parent id leads to them."""
    with started(PARENT.replace('"60"]', '"60"], start_new_session=True')) as process:
        (child,) = wait_for(lambda: [pid for pid in process.members() if pid != process.pid], "the child")
        process.signal(signal.SIGKILL)
        process.wait()
        assert command_name(child) == "sleep"
        assert session_members(process.pid) == []
        assert process.members() == [child]
    assert session_members(child) == []


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    """Grace has an end."""
    with started(DEAF) as process:
        session = process.pid
        process.stop(grace=0.2)
        assert session_members(session) == []


def test_a_frozen_process_is_stopped() -> None:
    """SIGSTOP does not keep a process alive."""
    with started(SLEEPER) as process:
        session = process.pid
        process.signal(signal.SIGSTOP)
        process.stop(grace=5)
        assert session_members(session) == []


def test_a_failing_test_leaves_no_process() -> None:
    """The end of the block counts, however it comes."""
    sessions = []

    def failing_test() -> None:
        with started(PARENT) as process:
            sessions.append(process.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_test()
    assert session_members(*sessions) == []


def test_an_early_end_is_an_error_with_the_output() -> None:
    """A server that dies at once is not waited for until the time is up."""
    with python("print('no such key'); raise SystemExit(3)") as process:
        with pytest.raises(LabError, match=r"ended before its socket:\nno such key"):
            process.wait_until(lambda: False, "its socket", timeout=30)
        assert process.wait() == 3


def test_a_wait_in_vain_is_an_error_with_the_output() -> None:
    """What did not happen is named, beside what the process said."""
    with started(SLEEPER) as process, pytest.raises(LabError, match=r"0.1 s in vain for .*its socket\nready"):
        process.wait_until(lambda: False, "its socket", timeout=0.1)


def test_a_missing_program_is_an_error() -> None:
    """The name of the program is in the message."""
    with pytest.raises(LabError, match="no-such-program: cannot be started"):
        Process(["/nonexistent/no-such-program"]).start()


def test_a_stopped_process_can_be_started_again() -> None:
    """Its output is that of the latest run, and stays when it is over."""
    process = python("print('ready')")
    for _ in range(2):
        with process:
            assert process.wait() == 0
        assert process.output() == "ready\n"


def test_stop_without_start_does_nothing() -> None:
    """So that half-started things can be stopped."""
    process = python("")
    process.stop()
    process.kill()
    assert not process.running
    with pytest.raises(LabError, match="is not started"):
        process.wait()


def test_a_child_can_be_told_its_directory_and_environment(tmp_path: Path) -> None:
    """The environment given is added to our own."""
    process = Process(["sh", "-c", "pwd; echo $COLOUR"], environment={"COLOUR": "green"}, directory=tmp_path)
    with process:
        assert process.wait() == 0
    assert process.output() == f"{tmp_path}\ngreen\n"
