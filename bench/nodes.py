"""Nodes as contenders: consentmilter with its list in SQLite, in PostgreSQL, or there through a pooler; one or two.

Every message is of a marketing stream that the client's network tells, so that each recipient costs a look-up. Raises
`LabError` when a command or a server fails.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.rounds import MAIN
from bench.smtp_source import Load, drive
from lab.milter import Milter
from lab.postfix import Postfix, Service

CONFIG: dict[str, Any] = {
    "mode": "enforce",
    "log": {"level": "info"},
    "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
    "streams": {"acme.newsletter": {"title": "Weekly newsletter"}},
    "classify": [{"client": "127.0.0.0/8", "stream": "acme.newsletter"}],
}


class Node:
    """The program under test, with so many `people` on a list of its own at `url`, or with the list of `like`."""

    def __init__(
        self, directory: Path, name: str, *, url: str | None = None, people: int = 0, like: "Node | None" = None
    ) -> None:
        self.name = name
        self._home = directory / name.replace(" ", "-")
        self._home.mkdir()
        self._people = people
        self._like = like
        place = like.url if like else url
        self.milter = Milter(self._home, config={**CONFIG, **({"store": {"url": place}} if place else {})})

    @property
    def url(self) -> str:
        return str(self.milter.config["store"]["url"])

    @property
    def key_file(self) -> Path:
        return self._home / "keys.yaml"

    def start(self) -> str:
        if self._like is not None:
            shutil.copy(self._like.key_file, self.key_file)
        self.milter.start()
        if self._people:
            people = self._home / "people.txt"
            people.write_text("".join(f"{person(number)}\n" for number in range(self._people)))
            self.milter.run("import", str(people))
            self._people = 0  # they are there when it starts again
        return self.milter.socket

    def stop(self) -> None:
        self.milter.stop()


def person(number: int) -> str:
    """Somebody on the list."""
    return f"person{number}@domain{number % 5000}.example"


def one_and_both(
    directory: Path, nodes: tuple[Node, Node], load: Load, rounds: int, progress: Callable[[str], object]
) -> dict[str, list[float]]:
    """Messages a second through one node's Postfix, and through both nodes' at once with half of them each."""
    halves = replace(load, messages=load.messages // 2, sessions=load.sessions // 2)
    rates: dict[str, list[float]] = {"one node": [], "two nodes": []}
    with ExitStack() as closing:
        mtas = [closing.enter_context(_postfix(directory / f"mta{number}", node)) for number, node in enumerate(nodes)]
        pool = closing.enter_context(ThreadPoolExecutor(len(mtas)))
        for number in range(1, rounds + 1):
            rates["one node"].append(drive(mtas[0].port(), load))
            rates["two nodes"].append(sum(pool.map(lambda mta: drive(mta.port(), halves), mtas)))
            told = ", ".join(f"{name} {found[-1]:.0f}/s" for name, found in rates.items())
            progress(f"round {number} of {rounds}: {told}")
            for mta in mtas:
                mta.wait_empty(timeout=120)
    return rates


def _postfix(directory: Path, node: Node) -> Postfix:
    return Postfix(directory, services=[Service("smtp", options={"smtpd_milters": node.milter.socket})], main=MAIN)
