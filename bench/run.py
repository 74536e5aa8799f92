"""Measure what a milter costs: `python -m bench.run --help`.

Needs root for its private Postfix, a C compiler and libmilter's headers for the floor. Prints a Markdown table on
standard output and its progress on standard error. Exit code 1 where something could not be started or measured.
"""

import argparse
import sys
from collections.abc import Sequence

from bench.consentmilter import Consentmilter
from bench.contenders import Contender, Floor, NoMilter
from bench.options import positive, say
from bench.report import markdown
from bench.rounds import measure
from bench.smtp_source import Load
from lab.directory import public_directory
from lab.errors import LabError
from lab.postfix import cannot_run

MODES = {"new": [False], "reused": [True], "both": [False, True]}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if (reason := cannot_run()) is not None:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    load = Load(messages=options.messages, sessions=options.sessions, length=options.length)
    loads = [load.with_reuse(reuse) for reuse in MODES[options.mode]]
    try:
        with public_directory("bench-") as directory:
            contenders: list[Contender] = [NoMilter(), Floor(directory), Consentmilter(directory, options.people)]
            measurements = measure(directory, contenders, loads, rounds=options.rounds, progress=say)
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    given = sys.argv[1:] if arguments is None else arguments
    print(markdown(measurements, ["python", "-m", "bench.run", *given]))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.run",
        description="Measure a Postfix without a milter, with the C floor, and with consentmilter.",
    )
    parser.add_argument("--people", type=positive, default=1_000_000, help="people on the list (%(default)s)")
    parser.add_argument("--rounds", type=positive, default=5, help="how often each is measured (%(default)s)")
    parser.add_argument("--messages", type=positive, default=2000, help="messages a measurement (%(default)s)")
    parser.add_argument("--sessions", type=positive, default=10, help="sessions at a time (%(default)s)")
    parser.add_argument("--length", type=positive, default=4096, help="octets of a message (%(default)s)")
    parser.add_argument("--mode", choices=MODES, default="both", help="sessions (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
