"""The measurement itself: contenders in turn, round after round, on one Postfix.

Each contender has a listener of its own, so that nothing is restarted between two measurements and a slow minute of
the machine hits all of them alike. Before each measurement the queue of the last is empty. Raises `LabError`.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.contenders import Contender
from bench.smtp_source import Load, drive
from lab.postfix import Postfix, Service

MAIN = {
    "default_transport": "discard:",
    # The laboratory looks through the queue every second; a mail server does not.
    "queue_run_delay": "300s",
    "minimal_backoff_time": "300s",
    "maximal_backoff_time": "4000s",
}


@dataclass
class Measurement:
    """The rates of all contenders under one load: a list of rounds for each name, in the order of the contenders."""

    load: Load
    rates: dict[str, list[float]] = field(default_factory=dict)

    def median(self, name: str) -> float:
        return median(self.rates[name])

    def ratio(self, name: str, base: str) -> float:
        """The median of the rounds' ratios: what drifts from round to round cancels out."""
        return median(rate / of for rate, of in zip(self.rates[name], self.rates[base], strict=True))


def measure(
    directory: Path,
    contenders: Sequence[Contender],
    loads: Sequence[Load],
    *,
    rounds: int,
    progress: Callable[[str], object],
) -> list[Measurement]:
    """Measure every contender under every load, `rounds` times, after one short warm-up."""
    with contextlib.ExitStack() as closing:
        services = []
        for number, contender in enumerate(contenders):
            closing.callback(contender.stop)
            services.append(Service(f"bench{number}", options={"smtpd_milters": contender.start()}))
        postfix = closing.enter_context(Postfix(directory / "postfix", services=services, main=MAIN))
        ports = {contender.name: postfix.port(f"bench{number}") for number, contender in enumerate(contenders)}
        for port in ports.values():
            drive(port, Load(messages=10 * loads[0].sessions, sessions=loads[0].sessions))
        measurements = [Measurement(load, {name: [] for name in ports}) for load in loads]
        for number in range(1, rounds + 1):
            for measurement in measurements:
                for name, port in ports.items():
                    postfix.wait_empty(timeout=120)
                    rate = drive(port, measurement.load)
                    measurement.rates[name].append(rate)
                    progress(f"round {number} of {rounds}: {name}, {mode(measurement.load)}: {rate:.0f}/s")
        return measurements


def mode(load: Load) -> str:
    return "sessions reused" if load.reuse else "new session each"
