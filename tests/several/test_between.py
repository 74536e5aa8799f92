"""What lies between the nodes and their PostgreSQL fails under traffic, in every way in which networks and servers do.

Marketing waits and nothing opted out is let through, exempt and personal mail goes, a click and a mail that opt out are
told to come again; and when it is over all is as before, in the same processes.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from signal import SIGCONT, SIGSTOP

import pytest

from lab.directory import public_directory
from lab.milter import Milter
from lab.postgres import PostgreSql
from lab.process import wait_for
from lab.proxy import Fault, Proxy
from tests.several.nodes import DEADLINE, asked, broken, click, clicked, settings, share_keys, written
from tests.several.traffic import Traffic

TIMES = int(os.environ.get("STORE_FAULTS", "1"))
"""How often each in the long run says `make torture`."""

# Nodes, servers and what they wait for share the machine with other tests.
pytestmark = pytest.mark.timeout(300 + 20 * TIMES)

OPTED_OUT = "bob@example.org"


@pytest.fixture(scope="module")
def proxy(server: PostgreSql) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def node(server: PostgreSql, proxy: Proxy) -> Iterator[Milter]:
    """A node that has the proxy between itself and the server, and somebody who opted out."""
    server.make_database("consent")
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/consent"
    with public_directory() as directory, Milter(directory, config=settings(directory, url)) as node:
        assert click(node, OPTED_OUT)
        yield node


Trouble = Callable[[Proxy, PostgreSql], None]


def delayed(proxy: Proxy, server: PostgreSql) -> None:
    """Whatever is said arrives later than anybody waits."""
    proxy.mode(Fault.DELAY, delay=4 * DEADLINE)


def swallowed(proxy: Proxy, server: PostgreSql) -> None:
    """Packets vanish both ways."""
    proxy.mode(Fault.SWALLOW)


def unheard(proxy: Proxy, server: PostgreSql) -> None:
    """The server does what it is asked to, and its answers vanish."""
    proxy.mode(Fault.SWALLOW_SERVER)


def reset(proxy: Proxy, server: PostgreSql) -> None:
    """Connections are reset, new ones too."""
    proxy.mode(Fault.RESET)


def cut(proxy: Proxy, server: PostgreSql) -> None:
    """The connection ends amid an answer."""
    proxy.mode(Fault.HALF)


def refused(proxy: Proxy, server: PostgreSql) -> None:
    """Nobody listens."""
    proxy.mode(Fault.REFUSE)


def frozen(proxy: Proxy, server: PostgreSql) -> None:
    """The server is there and does nothing."""
    _signal(server, SIGSTOP)


TROUBLES = [delayed, swallowed, unheard, reset, cut, refused, frozen]


@contextmanager
def during(trouble: Trouble, proxy: Proxy, server: PostgreSql) -> Iterator[None]:
    """Have the trouble while the block runs."""
    trouble(proxy, server)
    try:
        yield
    finally:
        proxy.mode(Fault.PASS)
        _signal(server, SIGCONT)


def _signal(server: PostgreSql, number: int) -> None:
    for pid in server.processes():
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue  # a backend whose client has left


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.__name__)
def test_traffic_goes_on_safely_whatever_lies_between(
    node: Milter, proxy: Proxy, server: PostgreSql, trouble: Trouble
) -> None:
    """Again and again, until the first deferral each time, and back to the right answers without a restart."""
    workers = node.workers()
    with Traffic(node, OPTED_OUT) as traffic:
        for _ in range(TIMES):
            traffic.wait_for("newsletter", 250)
            with during(trouble, proxy, server):
                traffic.wait_for("newsletter", 451)
            traffic.wait_for("newsletter", 250)
            traffic.wait_for("opted out", 550)
    traffic.assert_safe()
    assert node.workers() == workers
    assert node.events("fault") == []
    assert ("acme.security", "accept", "store") in _decided(node)


def _decided(node: Milter) -> set[tuple[str | None, ...]]:
    """Stream, verdict and reason of everything so far; an exempt mail that could not be verified says why."""
    return {(each.get("stream"), each["verdict"], each.get("reason")) for each in node.decisions()}


@pytest.mark.parametrize("trouble", [refused, frozen], ids=lambda trouble: trouble.__name__)
def test_an_opt_out_that_cannot_be_stored_is_told_to_come_again(
    node: Milter, proxy: Proxy, server: PostgreSql, trouble: Trouble
) -> None:
    """503 to a click and 451 to a mail; the same ones are taken once it is over, and hold."""
    people = [f"{name}-{trouble.__name__}@example.org" for name in ("kim", "lea")]
    with during(trouble, proxy, server), ThreadPoolExecutor(1) as pool:
        mail = pool.submit(written, node, people[1])
        assert clicked(node, people[0]) == 503
        assert mail.result() == 451
    wait_for(lambda: clicked(node, people[0]) == 200, "a click that is taken", timeout=60)
    wait_for(lambda: written(node, people[1]) == 250, "a mail that is taken", timeout=60)
    assert asked(node, *people) == [550, 550]


def test_a_server_that_starts_again_is_found(node: Milter, server: PostgreSql) -> None:
    """Killed under traffic and started: what was acknowledged before is refused after."""
    assert click(node, "max@example.org")
    server.execute("CHECKPOINT")  # as it runs without fsync
    with Traffic(node, OPTED_OUT) as traffic:
        traffic.wait_for("newsletter", 250)
        server.crash()
        traffic.wait_for("newsletter", 451)
        server.start()
        traffic.wait_for("newsletter", 250)
    traffic.assert_safe()
    assert asked(node, "max@example.org", OPTED_OUT) == [550, 550]


def test_a_store_that_is_taken_for_empty_would_be_noticed(node: Milter, proxy: Proxy, server: PostgreSql) -> None:
    """A milter for which a store that is away has nobody on its list does not pass."""
    with ExitStack() as stack:
        directory = stack.enter_context(public_directory())
        share_keys(node.directory, directory)
        blind = stack.enter_context(broken(directory, node.config["store"]["url"], "blind"))
        with Traffic(blind, OPTED_OUT) as traffic:
            traffic.wait_for("opted out", 550)
            with during(refused, proxy, server):
                traffic.wait_for("opted out", 250)
        with pytest.raises(AssertionError, match="opted out"):
            traffic.assert_safe()
