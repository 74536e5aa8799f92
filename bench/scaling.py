"""What PostgreSQL costs and gives: `python -m bench.scaling --help`.

In one run, and so as ratios: a look-up in SQLite, in PostgreSQL and through PgBouncer; mail through a Postfix for each
of them, and through two nodes with two of them; and a large list in one table and in partitions. Prints Markdown tables
on standard output and its progress on standard error. Exit code 1 where something could not be started or measured.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import lookups, partitions
from bench.nodes import Node, one_and_both
from bench.options import natural, say
from bench.partitions import Layout, Result
from bench.report import conditions
from bench.rounds import measure
from bench.smtp_source import Load
from lab.directory import public_directory
from lab.errors import LabError
from lab.pgbouncer import PgBouncer
from lab.postfix import cannot_run
from lab.postgres import PostgreSql

SETTINGS = {"shared_buffers": "1GB", "maintenance_work_mem": "256MB", "max_wal_size": "8GB"}
"""As a site would set a server of this size up; everything else is PostgreSQL's default, fsync too."""

Table = list[list[str]]


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if (reason := cannot_run()) is not None:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    given = sys.argv[1:] if arguments is None else arguments
    try:
        with public_directory("bench-") as directory, PostgreSql(directory, settings=SETTINGS) as server:
            parts = [*_stores(directory, server, options), *_layouts(server, options)]
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    load = f"{options.people} people, {options.rows} generated rows, {options.rounds} rounds"
    print("\n".join(conditions(["python", "-m", "bench.scaling", *given], load)))
    for title, table in parts:
        print("\n".join(["", f"{title}:", "", *_markdown(table)]))
    return 0


def _stores(directory: Path, server: PostgreSql, options: argparse.Namespace) -> Iterable[tuple[str, Table]]:
    """Look-ups and mail, store by store and node by node."""
    if not options.rounds:
        return
    with PgBouncer(directory, server) as pooler:
        urls = {"PostgreSQL": server.make_database("direct"), "PgBouncer": server.make_database("pooled")}
        urls["PgBouncer"] = pooler.url("pooled")
        nodes = [Node(directory, "SQLite", people=options.people)]
        nodes += [Node(directory, name, url=url, people=options.people) for name, url in urls.items()]
        load = Load(messages=options.messages, sessions=options.sessions, reuse=True)
        [mail] = measure(directory, nodes, [load], rounds=options.rounds, progress=say)
        yield "Mail, messages a second", _ratios(mail.rates)
        waits = lookups.measure(nodes, options.people, options.rounds, options.lookups, say)
        for size, found in waits.items():
            yield f"A look-up of {size} recipient{'s' * (size > 1)}, microseconds", _ratios(found)
        with ExitStack() as closing:
            pair = nodes[1], Node(directory, "another", like=nodes[1])
            for node in pair:
                closing.callback(node.stop)
                node.start()
            rates = one_and_both(directory, pair, load, options.rounds, say)
        yield "Mail through one node and through two, messages a second in all", _ratios(rates)


def _layouts(server: PostgreSql, options: argparse.Namespace) -> Iterable[tuple[str, Table]]:
    """A large list in one table and in partitions."""
    if not options.rows:
        return
    layouts = [Layout(count) for count in (0, *options.partitions)]
    url = server.make_database("layouts")
    results = [partitions.measure(url, layout, options.rows, options.added, say) for layout in layouts]
    yield f"A list of {options.rows:,} rows", [["", *(each.layout.name for each in results)], *_lines(results)]


def _lines(results: Sequence[Result]) -> Table:
    """A line for each thing that was measured."""
    measured: dict[str, Callable[[Result], float]] = {
        "GB, index included": lambda each: each.octets / 1e9,
        "COPY without index, thousand rows/s": lambda each: each.filled / 1e3,
        "primary key, s": lambda each: each.indexed,
        "first vacuum, s": lambda each: each.vacuumed,
        "look-up, median, us": lambda each: each.asked,
        "look-up, 99 of 100, us": lambda each: each.asked_slow,
        "adding, thousand rows/s": lambda each: each.added / 1e3,
        "reindex, s (of one partition)": lambda each: each.reindexed,
        "vacuum after a tenth was removed, s (of one partition)": lambda each: each.vacuumed_again,
    }
    return [[name, *(f"{of(each):.3g}" for each in results)] for name, of in measured.items()]


def _ratios(rates: Mapping[str, Sequence[float]]) -> Table:
    """Of each name the median, the extremes, and the median of the rounds' ratios to the first."""
    base = next(iter(rates))
    rows = [["", "median", "lowest", "highest", f"of {base}"]]
    for name, found in rates.items():
        ratio = median(one / other for one, other in zip(found, rates[base], strict=True))
        rows.append([name, *(f"{number:.0f}" for number in (median(found), min(found), max(found))), f"{ratio:.0%}"])
    return rows


def _markdown(table: Table) -> list[str]:
    head, *rows = table
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scaling",
        description="Measure SQLite, PostgreSQL, PgBouncer, one node and two, one table and partitions.",
    )
    parser.add_argument("--people", type=natural, default=200_000, help="people on each list (%(default)s)")
    parser.add_argument("--rounds", type=natural, default=5, help="of stores and nodes; 0 for none (%(default)s)")
    parser.add_argument("--messages", type=natural, default=1000, help="messages a measurement (%(default)s)")
    parser.add_argument("--sessions", type=natural, default=10, help="sessions at a time (%(default)s)")
    parser.add_argument("--lookups", type=natural, default=2000, help="recipients looked up (%(default)s)")
    parser.add_argument("--rows", type=natural, default=20_000_000, help="rows generated; 0 for none (%(default)s)")
    parser.add_argument("--added", type=natural, default=1_000_000, help="rows added to these (%(default)s)")
    parser.add_argument("--partitions", type=natural, nargs="*", default=[16], help="hash partitions (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
