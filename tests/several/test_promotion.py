"""The primary is lost under traffic, and its standby becomes the next one.

Both stand in the URL, with `target_session_attrs=read-write`. Nothing is let through that should not be, the nodes find
the new primary by themselves, and with a synchronous standby every opt-out that was acknowledged is on it.
"""

import http.client
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from lab.directory import public_directory
from lab.errors import LabError
from lab.milter import Milter
from lab.process import wait_for
from lab.standby import Pair
from tests.several.nodes import Way, asked, click, command, settings, share_keys, write
from tests.several.traffic import Traffic

# Nodes, servers and what they wait for share the machine with other tests.
pytestmark = pytest.mark.timeout(300)

PROMOTIONS = int(os.environ.get("PROMOTIONS", "1"))
"""How many in the long run says `make torture`."""


_PAUSE = 0.05

Nodes = tuple[Milter, Milter]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Two nodes with the keys of the first; each test moves them to a store of its own."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(public_directory()) for _ in range(2))
        first = stack.enter_context(Milter(one, config=settings(one)))
        share_keys(one, other)
        yield first, stack.enter_context(Milter(other, config=settings(other)))


def move(url: str, *nodes: Milter) -> None:
    """Have nodes keep their list in a database that is empty."""
    for node in nodes:
        node.configure({**node.config, "store": {"url": url}})
    nodes[0].run("init")
    for node in nodes:
        node.reload()


class OptingOut:
    """People who opt out one after another until the block ends; `acknowledged` are those to whom it was confirmed.

    Each is asked about at another node in the next moment: whom a node has acknowledged none may accept.
    """

    def __init__(self, node: Milter, elsewhere: Milter, name: str, way: Way) -> None:
        self.acknowledged: list[str] = []
        self.accepted: list[str] = []
        self._node, self._elsewhere, self._name, self._way = node, elsewhere, name, way
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._enough.set()
        self._thread.join()

    def wait_for_more(self, number: int = 3) -> None:
        """Wait until that many more people are acknowledged."""
        before = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) >= before + number, f"opt-outs of {self._name}", timeout=60)

    def _run(self) -> None:
        for number in count():
            if self._enough.wait(_PAUSE):
                return
            person = f"{self._name}{number}@example.org"
            if not self._done(person):
                continue
            self.acknowledged.append(person)
            if 250 in asked(self._elsewhere, person):
                self.accepted.append(person)

    def _done(self, person: str) -> bool:
        try:
            return self._way(self._node, person)
        except (OSError, LabError, http.client.HTTPException):
            return False


@pytest.mark.parametrize("number", range(PROMOTIONS))
def test_a_standby_is_promoted_under_traffic(nodes: Nodes, number: int) -> None:
    """The primary is killed while people opt out by click, mail and command; nobody who was told so is mailed again."""
    with public_directory() as directory, Pair(directory, synchronous=True) as pair:
        pair.primary.make_database("consent")
        one, other = nodes
        move(pair.url("consent"), one, other)
        workers = [one.workers(), other.workers()]
        assert click(one, "bob@example.org")
        ways = [OptingOut(one, other, "clicked", click), OptingOut(other, one, "written", write)]
        with Traffic(other, "bob@example.org") as traffic, ways[0], ways[1]:
            _wait_for_more(ways)
            assert command(one, "op@example.org")
            traffic.wait_for("newsletter", 250)
            pair.primary.crash()
            traffic.wait_for("newsletter", 451)
            pair.promote()
            traffic.wait_for("newsletter", 250)
            traffic.wait_for("opted out", 550)
            _wait_for_more(ways)
        traffic.assert_safe()
        everybody = ["bob@example.org", "op@example.org", *ways[0].acknowledged, *ways[1].acknowledged]
        assert asked(one, *everybody) == [550] * len(everybody)
        assert [way.accepted for way in ways] == [[], []]
        assert [one.workers(), other.workers()] == workers


def _wait_for_more(ways: list[OptingOut]) -> None:
    for way in ways:
        way.wait_for_more()


def test_what_only_the_primary_has_is_acknowledged_only_if_no_standby_must_have_it(
    nodes: Nodes, directory: Path
) -> None:
    """Where the two are parted, a click waits; once no standby counts, it is acknowledged, and lost with the primary.

    So what is held of acknowledged opt-outs above can fail.
    """
    with Pair(directory, synchronous=True) as pair, ThreadPoolExecutor(1) as pool:
        pair.primary.make_database("consent")
        node = nodes[0]
        move(pair.url("consent"), node)
        assert click(node, "ann@example.org")
        pair.part()
        click_of_bea = pool.submit(click, node, "bea@example.org")
        wait_for(pair.commit_waits, "a commit that waits for the standby", timeout=60)
        assert not click_of_bea.done()
        pair.commit_alone()
        assert click_of_bea.result()
        pair.fail_over()
        wait_for(lambda: asked(node, "ann@example.org", "bea@example.org") == [550, 250], "an answer", timeout=60)
