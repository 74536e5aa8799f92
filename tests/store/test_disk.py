"""Disks that are full or do not let us write: an error, and nothing half-done."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from consentmilter.errors import StoreError
from consentmilter.store.journal import Journal, read_journal
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import JOURNAL
from consentmilter.store.writer import Store
from tests.store.support import KEYS, child, finished, make_store, put, run, shell, subjects, wait_for
from tests.store.test_journal import ROW

FILE_SIZE_LIMIT = """
import asyncio, resource, sys
from pathlib import Path
from consentmilter.errors import StoreError
from consentmilter.store.writer import Store
from tests.store.support import KEYS, put

def limit(octets):
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, resource.RLIM_INFINITY))

async def main(url):
    wal = Path(url.removeprefix("sqlite:///") + "-wal")
    async with Store.open(url, KEYS) as store:
        await store.write(put(0))
        limit(wal.stat().st_size + 40_000)
        number = 1
        while True:
            try:
                await store.write(put(*range(number, number + 50)))
            except StoreError as error:
                print("refused", type(error).__name__)
                break
            print(number)
            number += 50
        limit(resource.RLIM_INFINITY)
        await store.write(put(1_000_000))
asyncio.run(main(sys.argv[1]))
"""


def test_a_file_that_cannot_grow_refuses_the_change_and_recovers(url: str, database: Path) -> None:
    """The change that did not fit has left nothing; the one after the limit is lifted goes through."""
    with child(FILE_SIZE_LIMIT, url) as process:
        *told, refused = finished(process).splitlines()
    assert refused == "refused StoreError"
    with shell(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        there = {int.from_bytes(row[0]) for row in connection.execute("SELECT subject FROM suppression")}
    assert there == {0, 1_000_000} | {int(number) + more for number in told for more in range(50)}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False, capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"cannot mount a small file system: {made.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill_up(disk: Path) -> Path:
    """Leave no room; the file that takes it is returned."""
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast


def test_a_full_disk_refuses_changes_and_recovers(small_disk: Path) -> None:
    """Reads go on meanwhile, and what was acknowledged stays."""
    url = make_store(small_disk)

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(0))
            ballast = fill_up(small_disk)
            number = 1
            with pytest.raises(StoreError, match=r"full|disk I/O error"):  # noqa: PT012 - however many fit
                while True:
                    await store.write(put(*range(number, number + 100)))
                    number += 100
            assert len(await store.read(subjects)) == number
            ballast.unlink()
            await store.write(put(1_000_000))
            assert len(await store.read(subjects)) == number + 1

    run(scene())
    with shell(small_disk / "consent.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_database_can_be_made_on_a_full_disk_later(small_disk: Path) -> None:
    """`init` fails cleanly and can be run again."""
    url = f"sqlite:///{small_disk / 'consent.db'}"
    ballast = fill_up(small_disk)
    with pytest.raises(StoreError, match=r"full|disk I/O error|unable to open|No space left"):
        migrate(url)
    ballast.unlink()
    migrate(url)


def test_the_journal_waits_for_a_full_disk(small_disk: Path) -> None:
    """Trouble is told, and the rows are written when there is room."""
    url = f"sqlite:///{small_disk / 'journal.db'}"
    migrate(url, JOURNAL)
    troubles: list[str] = []
    journal = Journal(url, troubles.append)
    ballast = fill_up(small_disk)
    for _ in range(3000):
        journal.put(ROW)
    wait_for(lambda: troubles)
    assert "full" in troubles[0] or "disk I/O error" in troubles[0] or "unable to open" in troubles[0]
    ballast.unlink()
    wait_for(lambda: len(read_journal(url, limit=5000)) == 3000)
    journal.close()


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with a store on it that has become read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=False, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"cannot mount a file system: {made.stderr.strip()}")
    try:
        make_store(place)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def test_a_read_only_disk_is_told(read_only_disk: Path) -> None:
    """As an error of the store's, by whatever part meets it first."""
    url = f"sqlite:///{read_only_disk / 'consent.db'}"

    async def scene() -> None:
        async with Store.open(url, KEYS) as store:
            await store.write(put(1))

    with pytest.raises(StoreError, match=r"read-only|readonly|unable to open"):
        run(scene())


@contextmanager
def somebody_else() -> Iterator[None]:
    """Run as a user who may write nowhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.parametrize(
    ("mode", "told"), [(0o666, r"cannot lock .*-turn: Permission denied"), (0o660, "unable to open database file")]
)
def test_a_lack_of_permission_is_told(mode: int, told: str) -> None:
    """For the directory and for the database, with the file in the message."""
    with tempfile.TemporaryDirectory() as directory:
        url = make_store(Path(directory))
        Path(directory).chmod(0o755)
        for file in Path(directory).iterdir():
            file.chmod(0o600 if file.name.endswith("-turn") else mode)

        async def scene() -> None:
            async with Store.open(url, KEYS) as store:
                await store.write(put(1))

        # A reader of a WAL needs the shared memory, which somebody who may write has to have made.
        with shell(Path(directory) / "consent.db") as writer:
            writer.execute("UPDATE key_check SET value = value")
            with somebody_else(), pytest.raises(StoreError, match=told):
                run(scene())
