"""The lock beside the database."""

import asyncio
import fcntl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.sqlite.lock import _FileLock, _Lock, held, held_async
from tests.store.support import child, finished, run

COUNT = """
import sys, time
from contextlib import nullcontext
from pathlib import Path
from consentmilter.store.sqlite.lock import held
database, counter, guard = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    with held(database, 20) if guard == "lock" else nullcontext():
        seen = int(counter.read_text() or 0)  # without the lock, another may just have emptied it
        time.sleep(0.001)
        counter.write_text(str(seen + 1))
"""


@pytest.mark.parametrize(("guard", "loses"), [("lock", False), ("nothing", True)])
def test_processes_hold_the_lock_one_at_a_time(tmp_path: Path, guard: str, *, loses: bool) -> None:
    """Three processes count in one file; without the lock they overwrite each other."""
    counter = tmp_path / "counter"
    counter.write_text("0")
    with ExitStack() as stack:
        processes = [stack.enter_context(child(COUNT, tmp_path / "db", counter, guard)) for _ in range(3)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in processes:
            finished(process)
    assert (int(counter.read_text()) < 60) is loses


def test_two_holders_in_one_process_exclude_each_other(tmp_path: Path) -> None:
    """Two stores may be open in one process; one open file would lock twice."""
    with (
        held(tmp_path / "db", 1),
        pytest.raises(StoreBusyError, match="locked by another process"),
        held(tmp_path / "db", 0.05),
    ):
        pass


def test_waiting_ends_at_the_deadline(tmp_path: Path) -> None:
    """Neither early nor late."""
    with held(tmp_path / "db", 1):
        start = time.monotonic()
        with pytest.raises(StoreBusyError), held(tmp_path / "db", 0.2):
            pass
        assert 0.2 <= time.monotonic() - start < 1.2


@pytest.mark.parametrize("end", ["timeout", "cancel"])
def test_who_gives_up_leaves_no_lock_behind(tmp_path: Path, end: str) -> None:
    """A wait that was cancelled must not get the lock later, for nobody."""

    async def wait() -> None:
        async with held_async(tmp_path / "db", 0.1 if end == "timeout" else 60):
            raise AssertionError("the lock was not free")

    async def scene() -> None:
        with held(tmp_path / "db", 1):
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0.02)
            if end == "cancel":
                waiting.cancel()
            with pytest.raises((StoreBusyError, asyncio.CancelledError)):
                await waiting
        async with held_async(tmp_path / "db", 0):
            pass

    run(scene())


def test_an_error_inside_releases_the_lock(tmp_path: Path) -> None:
    """Whatever the error."""
    with pytest.raises(ZeroDivisionError), held(tmp_path / "db", 1):
        raise ZeroDivisionError
    with held(tmp_path / "db", 0):
        pass


def test_a_lock_on_a_file_that_was_removed_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes would else hold "the" lock, one on the removed file and one on the new one."""
    path = tmp_path / "db-lock"
    flock = fcntl.flock

    def flock_after_removal(descriptor: int, operation: int) -> None:
        path.unlink()
        flock(descriptor, operation)

    lock = _FileLock(path)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock_after_removal)
        assert not lock.attempt()
    assert lock.attempt()
    assert path.exists()
    lock.release()


def test_a_lock_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A loop of symbolic links stands for all that can be wrong with a directory."""
    (tmp_path / "db-turn").symlink_to("db-turn")
    with pytest.raises(StoreError, match=r"cannot lock .*/db-turn: Too many levels"), held(tmp_path / "db", 1):
        pass


def _turns_before_a_waiter(database: Path) -> int:
    """How often a thread that locks again and again gets the lock before one that waits."""
    turns, waited = 0, threading.Event()

    def hog() -> None:
        nonlocal turns
        while not waited.is_set() and turns < 50:
            with held(database, 5):
                turns += 1
                time.sleep(0.01)

    with held(database, 5):
        greedy = threading.Thread(target=hog)
    greedy.start()
    try:
        while not turns:
            time.sleep(0.001)
        seen = turns
        with held(database, 5):
            waited.set()
            return turns - seen
    finally:
        waited.set()
        greedy.join()


def test_who_waits_is_let_in_before_who_comes_again(tmp_path: Path) -> None:
    """An import that takes the lock for each chunk does not starve a click."""
    assert max(_turns_before_a_waiter(tmp_path / "db") for _ in range(3)) <= 2


def test_without_the_turnstile_a_waiter_starves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which shows that the test above can fail."""
    attempt: Callable[[_Lock], bool] = lambda lock: lock._lock.attempt()  # noqa: E731 - one line says it
    monkeypatch.setattr(_Lock, "attempt", attempt)
    assert max(_turns_before_a_waiter(tmp_path / "db") for _ in range(3)) > 2
