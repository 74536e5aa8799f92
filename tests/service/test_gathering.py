"""The rows of a file, gathered by one process or by two: they come to the same, whatever the file is."""

import gzip
import os
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consentmilter.errors import StoreError
from consentmilter.importers import BadRow, recognise
from consentmilter.keys import KeyRing
from consentmilter.model import Reason
from consentmilter.service import gathering as gathering_module
from consentmilter.service.aside.order import Order, Part
from consentmilter.service.aside.process import Aside
from consentmilter.service.gathering import Gathering, gathering
from consentmilter.service.importing import Terms, Watch, import_file, preview_file
from consentmilter.service.parsing import Job, Told
from consentmilter.service.suppressions import Actor
from consentmilter.service.unpacking import examine
from consentmilter.store.said import Said
from consentmilter.store.writer import Store
from tests.service.by_hand import rows
from tests.store.stores import KINDS
from tests.store.support import KEYS, run

RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ALICE = Actor("alice", "cli")
COUNT = 120
TERMS = Terms("*", Reason.IMPORTED, RING, {}, store_addresses=True)

CSV = "email,date\n" + "".join(f"p{n % 90}@x.example,{'2026-02-01' if n % 7 else 'never'}\n" for n in range(COUNT))
HASHES = "sha256,list\n" + "".join(f"{n:064x},{'abc'[n % 3]}\n" for n in range(COUNT))
OBJECTS = [f'{{"email": "p{n}@x.example", "reason": "{"complaint" if n % 5 else "whim"}"}}' for n in range(COUNT)]

FILES = {
    "list.csv": CSV.encode(),
    "windows.csv": CSV.replace("\n", "\r\n").encode("cp1252"),
    "wide.csv": CSV.encode("utf-16"),
    "quoted.csv": CSV.replace("p3@x.example", '"p3@x.example"').encode(),
    "packed.csv.gz": gzip.compress(CSV.encode()),
    "hashes.csv": HASHES.encode(),
    "digests.txt": "".join(f"{n % 80:032x}\n" for n in range(COUNT)).encode(),
    "list.txt": "".join(f"p{n}@x.example\n" if n % 9 else "# a comment\nnobody\n" for n in range(COUNT)).encode(),
    "access": "".join(f"p{n}@x.example {'REJECT' if n % 4 else 'OK'}\n" for n in range(COUNT)).encode(),
    "list.jsonl": "\n".join(OBJECTS).encode(),
    "list.json": f"[{', '.join(OBJECTS)}]".encode(),
}


def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering_module, "LARGE", 0)


def with_file(
    url: str, path: Path, act: Callable[[Gathering], Awaitable[object]], *, stop: Callable[[Told], bool] | None = None
) -> list[Told]:
    """Read the file, until it should stop, and do something with what was gathered; what was told."""

    async def scene() -> list[Told]:
        with path.open("rb") as file:
            examined = examine(file)
            plan = recognise(examined.sample, file_name=path.name)
            job = Job(
                plan, examined.packing, examined.encoding, "*", Reason.IMPORTED, RING, {}, True, path.name, NOW
            )  # fmt: skip
            async with Store.open(url, KEYS) as store:
                with gathering(store, file) as gathered:
                    told = []
                    for each in gathered.read(job, examined.cutting):
                        told.append(each)
                        if stop and stop(each):
                            break
                    await act(gathered)
                    return told

    return run(scene())


def all_of(url: str, path: Path) -> tuple[list[BadRow], Counter[str], int, Mapping[str | None, list[Said]]]:
    """Everything that a file says, and what is told of it."""
    held: dict[str | None, list[Said]] = {}

    async def act(gathered: Gathering) -> None:
        assert gathered.ahead == 0
        for name, each in gathered.by_list().items():
            held[name] = [row for rows_ in each.ready(50) for row in rows_.distinct.rows()]

    told = with_file(url, path, act)
    octets = [each.octets for each in told]
    assert octets == sorted(octets)
    bad = [row._replace(cells=tuple(row.cells)) for each in told for row in each.bad]
    skipped = sum((each.skipped for each in told), Counter[str]())
    return bad, skipped, sum(each.rows for each in told), held


@pytest.mark.parametrize("name", FILES)
def test_two_processes_gather_what_one_does(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Files that can be cut, and those that cannot: the same rows by key, the same bad ones in the file's order."""
    path = tmp_path / name
    path.write_bytes(FILES[name])
    alone = all_of(url, path)
    two_processes(monkeypatch)
    assert all_of(url, path) == alone
    assert alone[2] >= COUNT


def imported(url: str, path: Path, terms: Terms, *, dry_run: bool = False) -> tuple[dict[str, object], list[int]]:
    """What the import of a file reports, and the lines of its bad rows."""
    lines: list[int] = []
    watch = Watch(lambda *_: None, lambda row: lines.append(row.line), lambda _: None)

    async def scene() -> dict[str, object]:
        async with Store.open(url, KEYS) as store:
            with path.open("rb") as file:
                if dry_run:
                    report = await preview_file(store, file, path.name, terms=terms, watch=watch)
                else:
                    report = await import_file(store, file, path.name, terms=terms, actor=ALICE, watch=watch)
        return {"new": report.new, "known": report.known, "rows": report.rows, "stopped": report.stopped}

    return run(scene()), lines


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A list with a bad row every 100 lines."""
    path = tmp_path / "damaged.csv"
    lines = (f"p{n}@x.example\n" if n % 100 else "nobody\n" for n in range(1, 1000))
    path.write_text("email\n" + "".join(lines))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_foresees_what_two_processes_import(url: str, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And bad rows come in the order of the file, whoever met them first."""
    two_processes(monkeypatch)
    bad = [n + 1 for n in range(100, 1000, 100)]
    counts: dict[str, object] = {"new": 990, "known": 0, "rows": 999, "stopped": False}
    assert imported(url, damaged, TERMS, dry_run=True) == (counts, bad)
    assert rows(url, "SELECT count(*) FROM suppression") == [(0,)]
    assert imported(url, damaged, TERMS) == (counts, bad)
    assert rows(url, "SELECT count(*) FROM suppression") == [(990,)]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_time_hold_since_the_entry_that_tells_of_them(
    url: str, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever process looked at the clock: what is verified later are the times of the entries."""
    two_processes(monkeypatch)
    before = int(time.time())
    imported(url, damaged, TERMS)
    told = rows(url, "SELECT DISTINCT at FROM ledger WHERE action = 'import'")
    assert rows(url, "SELECT DISTINCT created FROM suppression") == told
    assert all(isinstance(at, int) and before <= at <= time.time() for (at,) in told)


@pytest.mark.parametrize("most", [2, 7])
def test_too_many_bad_rows_stop_both_processes(
    url: str, damaged: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """In the first half or the second: as many are told of, and what goes in has been read before the last of them."""
    two_processes(monkeypatch)
    report, lines = imported(url, damaged, replace(TERMS, max_errors=most))
    assert report["stopped"]
    assert lines == [n * 100 + 1 for n in range(1, most + 2)]
    ((count,),) = rows(url, "SELECT count(*) FROM suppression")
    assert isinstance(count, int)
    assert 0 < count < 990


def started_by(process: int) -> list[int]:
    """The processes that a process has started, and that have not ended."""
    text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
    return [int(each) for each in text.split()]


def test_nothing_is_left_of_the_second_process(url: str, damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither when all has gone well, nor when nobody asked it for its rows."""
    before = set(started_by(os.getpid()))
    two_processes(monkeypatch)
    imported(url, damaged, TERMS)

    async def leave(_gathered: Gathering) -> None:
        pass

    with_file(url, damaged, leave, stop=lambda _: True)
    assert set(started_by(os.getpid())) <= before


@pytest.mark.parametrize("late", [False, True])
def test_a_second_process_that_is_killed_is_a_fault_and_no_end_of_the_file(
    url: str, damaged: Path, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """As by a kernel that has no memory left: while it reads, or when it has read all."""
    two_processes(monkeypatch)
    before = set(started_by(os.getpid()))

    def kill(_told: Told | None = None) -> bool:
        for process in set(started_by(os.getpid())) - before:
            os.kill(process, signal.SIGKILL)
        return False

    async def act(gathered: Gathering) -> None:
        if late:
            kill()
        for each in gathered.by_list().values():
            list(each.ready(50))

    with pytest.raises(StoreError, match=r"the second process of the import ended by itself \(code -9\)"):
        with_file(url, damaged, act, stop=None if late else kill)


def test_a_full_disk_in_the_second_process_is_an_error_of_the_store(tmp_path: Path) -> None:
    """It says the same as in the first."""
    path = tmp_path / "list.txt"
    path.write_text("".join(f"p{n}@x.example\n" for n in range(60_000)))
    plan = recognise(path.read_text()[:1000], file_name=path.name)
    job = Job(plan, None, "utf-8", "*", Reason.IMPORTED, RING, {}, True, path.name, NOW)
    part = Part(0, path.stat().st_size, 0)
    with path.open("rb") as file, open("/dev/full", "r+b", buffering=0) as full:  # noqa: PTH123 - a device
        order = Order(job, part, file.fileno(), full.fileno(), full.fileno())
        with Aside([file.fileno(), full.fileno()]) as aside:
            aside.begin(order)
            with pytest.raises(StoreError, match="aside: No space left on device"):
                list(iter(aside.told, None))
