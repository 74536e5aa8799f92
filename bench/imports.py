"""Measure imports beside what Postfix needs for the same list: `python -m bench.imports --help`.

In each round, in turn: postmap of each kind of map that this Postfix has, and `consentmilter import` of a CSV file with
the same addresses into an empty store: on SQLite, once alone and once while somebody asks the milter, and on a server
of PostgreSQL that is set up as Debian's package does; on both, then, the list of the week after, with one row more.
Last, if asked to, imports of the list and of one several times as long, in turn. Prints a Markdown table on standard
output and its progress on standard error. Exit code 1 where something could not be started or measured.
"""

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.asking import Asking
from bench.options import say
from bench.report import conditions
from bench.timed import Run, timed
from lab.directory import public_directory
from lab.errors import LabError
from lab.milter import PROGRAM, Milter
from lab.postgres import PostgreSql

MAPS = ("hash", "cdb", "lmdb")
CONFIG = {
    "mode": "enforce",
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "streams": {"acme.newsletter": {"title": "Weekly newsletter"}},
    "classify": [{"login": "newsletter", "stream": "acme.newsletter"}],
}
IMPORT = "consentmilter import"
ASKED = "the same, milter at work"
AGAIN = "a week later"
ON_SERVER = "the same, on PostgreSQL"
AGAIN_ON_SERVER = "a week later, on PostgreSQL"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        with public_directory("bench-") as directory:
            _write_lists(directory, options.rows)
            home = directory / "postgres"
            home.mkdir()
            with PostgreSql(home, settings={}) as server:
                runs, waits = _measure(directory, server, options.rounds)
            longer = _measure_longer(directory, options) if options.times > 1 else {}
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    given = sys.argv[1:] if arguments is None else arguments
    print(_markdown(runs, waits, options, ["python", "-m", "bench.imports", *given]))
    if longer:
        print(_of_longer(longer))
    return 0


def _measure(directory: Path, server: PostgreSql, rounds: int) -> tuple[dict[str, list[Run]], list[float]]:
    """The runs of each contender, and the seconds that the milter took for each answer while an import ran."""
    kinds = _kinds(directory)
    runs: dict[str, list[Run]] = {
        name: [] for name in [*(f"postmap {kind}" for kind in kinds), IMPORT, AGAIN, ASKED, ON_SERVER, AGAIN_ON_SERVER]
    }
    waits: list[float] = []
    for number in range(1, rounds + 1):
        for kind in kinds:
            runs[f"postmap {kind}"].append(_postmap(directory, kind))
        with _milter(directory) as milter:
            runs[IMPORT].append(timed(_import(milter, directory)))
            runs[AGAIN].append(timed(_import(milter, directory, "again.csv")))
        with _milter(directory) as milter, Asking(milter.socket) as asking:
            runs[ASKED].append(timed(_import(milter, directory)))
            waits += asking.done()
        with _database(server) as url, _milter(directory, url) as milter:
            runs[ON_SERVER].append(timed(_import(milter, directory)))
            runs[AGAIN_ON_SERVER].append(timed(_import(milter, directory, "again.csv")))
        told = ", ".join(f"{name} {found[-1].seconds:.1f} s" for name, found in runs.items())
        say(f"round {number} of {rounds}: {told}")
    return runs, waits


def _measure_longer(directory: Path, options: argparse.Namespace) -> dict[int, list[Run]]:
    """The imports of lists of two lengths, in turn."""
    long = directory / "long"
    long.mkdir()
    _write_lists(long, options.rows * options.times)
    lists = {options.rows: directory, options.rows * options.times: long}
    runs: dict[int, list[Run]] = {rows: [] for rows in lists}
    for _ in range(options.rounds):
        for rows, place in lists.items():
            with _milter(directory) as milter:
                runs[rows].append(timed(_import(milter, place)))
            say(f"{rows:,} addresses: {runs[rows][-1].seconds:.1f} s")
    return runs


def _import(milter: Milter, directory: Path, name: str = "list.csv") -> list[str | Path]:
    return [PROGRAM, "--config", milter.config_file, "import", directory / name]


def _write_lists(directory: Path, rows: int) -> None:
    """The same addresses in an order of no kind: as CSV, and as postmap's input."""
    dice = random.Random(rows)
    numbers = list(range(rows))
    dice.shuffle(numbers)
    with (directory / "list.csv").open("w") as csv, (directory / "list.map").open("w") as table:
        csv.write("email,reason,date\n")
        for number in numbers:
            address = f"first.last{number}@domain{number % 50_000}.example"
            csv.write(f"{address},unsubscribe,2026-{number % 12 + 1:02}-{number % 28 + 1:02}\n")
            table.write(f"{address} REJECT opted out\n")
    shutil.copyfile(directory / "list.csv", directory / "again.csv")
    with (directory / "again.csv").open("a") as csv:
        csv.write("somebody.new@domain.example,unsubscribe,2026-12-01\n")


def _kinds(directory: Path) -> list[str]:
    """The kinds of maps that this Postfix can make."""
    (directory / "main.cf").write_text(f"compatibility_level = 3.6\nqueue_directory = {directory}\n")
    if shutil.which("postconf") is None:
        raise LabError("there is no Postfix to compare with")
    known = subprocess.run(["postconf", "-c", directory, "-m"], capture_output=True, text=True, check=False)
    return [kind for kind in MAPS if kind in known.stdout.split()]


def _postmap(directory: Path, kind: str) -> Run:
    source = directory / kind
    shutil.copyfile(directory / "list.map", source)
    try:
        return timed(["postmap", "-c", directory, f"{kind}:{source}"])
    finally:
        for path in directory.glob(f"{kind}*"):
            path.unlink()


@contextmanager
def _database(server: PostgreSql) -> Iterator[str]:
    """An empty database on a server that has written down all it had; its URL."""
    server.execute("CHECKPOINT")
    try:
        yield server.make_database("bench")
    finally:
        server.drop_database("bench")


@contextmanager
def _milter(directory: Path, url: str | None = None) -> Iterator[Milter]:
    """The service as it ships, with an empty list, in a file or where the URL says."""
    home = directory / "site"
    home.mkdir()
    try:
        with Milter(home, config=CONFIG if url is None else {**CONFIG, "store": {"url": url}}) as milter:
            yield milter
    finally:
        shutil.rmtree(home)


def _markdown(
    runs: dict[str, list[Run]], waits: list[float], options: argparse.Namespace, command: Sequence[str]
) -> str:
    head = ["", "seconds (median)", "lowest", "highest", "of postmap hash", "processor seconds", "memory at most"]
    base = runs.get("postmap hash", [])
    rows = []
    for name, found in runs.items():
        seconds = [run.seconds for run in found]
        ratio = _ratio(found, base) if base else None
        rows.append([
            name, f"{median(seconds):.1f}", f"{min(seconds):.1f}", f"{max(seconds):.1f}",
            "" if ratio is None else f"{ratio:.0%}", f"{median(run.cpu for run in found):.1f}",
            f"{max(run.octets for run in found) / 1e6:.0f} MB",
        ])  # fmt: skip
    table = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    waits.sort()
    at = (f"{name} {waits[min(int(len(waits) * part), len(waits) - 1)] * 1000:.1f} ms" for name, part in PERCENTILES)
    fresh, later = _ratio(runs[ON_SERVER], runs[IMPORT]), _ratio(runs[AGAIN_ON_SERVER], runs[AGAIN])
    return "\n".join([
        *conditions(command, f"{options.rows:,} addresses, {options.rounds} rounds, each into an empty store"),
        "", *("| " + " | ".join(row) + " |" for row in table),
        "", f"On PostgreSQL it took {fresh:.0%} of the time that it took on SQLite, a week later {later:.0%}.",
        "", f"The milter's answers to {len(waits):,} recipients while the imports ran: {', '.join(at)}.",
    ])  # fmt: skip


def _of_longer(runs: Mapping[int, Sequence[Run]]) -> str:
    """What a list costs that is several times as long, beside the list in the same rounds."""
    (rows, short), (more, long) = runs.items()
    told = [
        f"{count:,} addresses {median(run.seconds for run in found):.1f} s and {median(run.cpu for run in found):.1f} "
        f"processor seconds with {max(run.octets for run in found) / 1e6:.0f} MB"
        for count, found in runs.items()
    ]
    times = median(run.cpu / of.cpu for run, of in zip(long, short, strict=True))
    return (
        f"\nIn turn, {' and '.join(told)}: {_ratio(long, short):.1f} times as long for {more / rows:.0f} times as many,"
        f" {times:.1f} times the processor's time."
    )


def _ratio(found: Sequence[Run], base: Sequence[Run]) -> float:
    """How long runs took beside others of the same rounds: the machine's slow minutes hit both."""
    return median(run.seconds / of.seconds for run, of in zip(found, base, strict=True))


PERCENTILES = (("half of them within", 0.5), ("99% within", 0.99), ("the slowest", 1.0))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.imports", description="Measure imports beside postmap, and the milter meanwhile."
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="addresses in the list (%(default)s)")
    parser.add_argument("--times", type=int, default=1, help="then a list so many times as long (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
