"""Imports that end before their time: by Ctrl-C, by a kill, by a fault of the store; and the same command again."""

import fcntl
import os
import random
import secrets
import signal
import subprocess
import termios
import time
from pathlib import Path
from typing import IO, Any

import pytest

from consentmilter.errors import StoreError
from consentmilter.service import bulk, importing
from consentmilter.service.gathering import LARGE
from consentmilter.service.suppressions import CHUNK_ROWS, import_rows
from lab.process import wait_for
from tests.cli.installation import Done, Installation, failing_import, run, started

CHUNKS = 5
BAD_ROW = CHUNK_ROWS + 5_000

STATE = "SELECT address, scope, reason, created, asserted_again, origin FROM suppression ORDER BY 1, 2, 3"
BATCHES = "SELECT rows, new, known, bad FROM import_batch WHERE finished IS NOT NULL"


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that two processes import in several chunks, with one bad row and a person who is there already."""
    path = tmp_path_factory.mktemp("lists") / "list.csv"
    lines = [f"p{n}@x.example,2026-02-01," for n in range(1, CHUNKS * CHUNK_ROWS)]
    lines[BAD_ROW - 2] = "nobody,2026-02-01,"
    filling = "." * (LARGE // len(lines))
    path.write_text("email,date,note\n" + "".join(f"{line}{filling}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, listed: Path) -> tuple[list[Any], list[Any]]:
    """What one import that nothing interrupts leaves."""
    site = known(Installation(tmp_path_factory.mktemp("uninterrupted")))
    site.run("import", listed, code=1)
    return state(site)


@pytest.fixture
def site(bare: Installation) -> Installation:
    return known(bare)


def known(site: Installation) -> Installation:
    """A site that is set up, with one person of the file on its list."""
    site.run("init")
    site.run("add", "p7@x.example", "--reason", "imported")
    site.alter("UPDATE suppression SET created = 0")
    return site


def state(site: Installation) -> tuple[list[Any], list[Any]]:
    """The list and the imports, but for what names one run: ids and times of recording."""
    assert site.rows("PRAGMA integrity_check") == [("ok",)]
    return site.rows(STATE), site.rows(BATCHES)


@pytest.mark.parametrize("signal_", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_import_that_a_signal_ended_goes_on_to_the_same_result(
    site: Installation, listed: Path, expected: tuple[list[Any], list[Any]], signal_: signal.Signals
) -> None:
    """Ctrl-C also says how to go on; what was committed before is there in the meantime."""
    with started(
        "--config", site.config_file, "import", listed, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        wait_until_stored(site, CHUNK_ROWS)
        process.send_signal(signal_)
        out, err = process.communicate(timeout=100)
    assert out == b""
    assert process.returncode == (130 if signal_ == signal.SIGINT else -signal_)
    lines = [line for line in err.decode().splitlines() if not line.endswith(" s left")]  # of a slow machine
    told, *end = lines[1:]
    assert told.startswith(f"{listed}:{BAD_ROW}: email: ")
    goes_on = "interrupted: what went in stays, and the same command again goes on to the end"
    assert end == ([goes_on] if signal_ == signal.SIGINT else [])
    assert CHUNK_ROWS - 1 <= stored(site) < CHUNKS * CHUNK_ROWS - 1
    assert site.rows("SELECT DISTINCT count FROM ledger WHERE action = 'import'") == [(CHUNK_ROWS,)]
    done = site.run("import", listed, code=1)
    assert done.out.endswith(", gone on with after an interruption\n")
    assert state(site) == expected


def test_an_import_killed_at_any_time_goes_on_to_the_same_result(
    site: Installation, listed: Path, expected: tuple[list[Any], list[Any]]
) -> None:
    """Several times over. The seed is printed; CONSENTMILTER_SEED repeats a run."""
    seed = os.environ.get("CONSENTMILTER_SEED") or str(random.SystemRandom().randrange(2**32))
    print(f"CONSENTMILTER_SEED={seed}")  # noqa: T201 - pytest shows it with a test that fails
    dice = random.Random(seed)
    for _ in range(4):
        with started(
            "--config", site.config_file, "import", listed, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            try:
                process.wait(timeout=dice.uniform(0.3, 2.0))
            except subprocess.TimeoutExpired:
                process.kill()
    site.run("import", listed, code=None)
    assert state(site) == expected


def test_the_second_process_of_an_import_ends_with_it(site: Installation, listed: Path) -> None:
    """Even where the import was killed and could not end it."""
    mark = f"IMPORT={secrets.token_hex(8)}"
    name, _, value = mark.partition("=")
    with started(
        "--config", site.config_file, "import", listed,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, name: value},
    ) as process:  # fmt: skip
        wait_for(lambda: any("aside" in command for command in marked(mark)), "there is a second process")
        process.kill()
    wait_for(lambda: not marked(mark), "both are gone")


def marked(mark: str) -> list[str]:
    """The command lines of processes with this in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended meanwhile
            continue
    return found


def test_ctrl_c_before_the_first_row_is_no_fault_either(site: Installation) -> None:
    """While standard input is read."""
    with started(
        "--config",
        site.config_file,
        "import",
        "-",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"a@x.example\n" * 10_000)
        process.stdin.flush()
        wait_until_read(process.stdin)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (130, b"")
    assert err.startswith(b"interrupted")
    assert b"Traceback" not in err
    assert len(site.rows()) == 1


def test_ctrl_c_in_any_other_command_ends_with_130(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never with 1, which would mean that the answer is no."""

    def interrupted(_text: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("consentmilter.cli.check.put", interrupted)
    done = site.run("check", "a@x.example", code=130)
    assert (done.out, done.err) == ("", "interrupted\n")


def test_ctrl_c_while_the_program_loads_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before there is a command that could notice."""
    failing_import(monkeypatch, "consentmilter.cli.commands", KeyboardInterrupt())
    assert run("--version") == Done(130, "", "interrupted\n")


def test_a_fault_of_the_store_says_how_to_go_on(
    site: Installation, listed: Path, expected: tuple[list[Any], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk was full; exit code 3."""
    stop_at(monkeypatch, 3, StoreError("consent.db: database or disk is full"))
    done = site.run("import", listed, code=3)
    assert done.err.splitlines()[-2:] == [
        f"{listed}: what went in stays, and the same command again goes on to the end",
        "error: consent.db: database or disk is full",
    ]
    monkeypatch.undo()
    site.run("import", listed, code=1)
    assert state(site) == expected


def test_an_import_that_began_anew_each_time_would_be_noticed(
    site: Installation, listed: Path, expected: tuple[list[Any], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison can fail: without the digest of the file, the second run takes its own rows for others'."""
    monkeypatch.setattr(importing, "_digest", lambda *_: secrets.token_bytes(32))
    stop_at(monkeypatch, 3, KeyboardInterrupt())
    site.run("import", listed, code=130)
    stop_at(monkeypatch, 10**6, KeyboardInterrupt())
    site.run("import", listed, code=1)
    rows, batches = state(site)
    assert rows != expected[0]
    assert batches != expected[1]


def stop_at(monkeypatch: pytest.MonkeyPatch, chunk: int, error: BaseException) -> None:
    """Have the import of that chunk, counted from 1, raise."""
    count = 0

    async def stopping(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count == chunk:
            raise error
        return await import_rows(*arguments, **options)

    monkeypatch.setattr(bulk, "import_rows", stopping)


def stored(site: Installation) -> int:
    """How many rows of imports there are."""
    [(count,)] = site.rows("SELECT count(*) FROM suppression WHERE batch IS NOT NULL")
    return int(count)


def wait_until_stored(site: Installation, rows: int) -> None:
    """Wait until as much of an import is committed."""
    deadline = time.monotonic() + 30
    while stored(site) < rows - 1:  # one of them stood before
        assert time.monotonic() < deadline
        time.sleep(0.002)


def wait_until_read(pipe: IO[bytes]) -> None:
    """Wait until the other end has taken everything."""
    deadline = time.monotonic() + 30
    while fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)) != bytes(4):
        assert time.monotonic() < deadline
        time.sleep(0.01)
