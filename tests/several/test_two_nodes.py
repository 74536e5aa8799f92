"""Two Postfix, two nodes, one list: who opts out at one is refused by the other at the next RCPT."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import pytest

from consentmilter.keys import SECRET_OCTETS, KeyRing
from consentmilter.service.gathering import LARGE
from lab.client import Client
from lab.directory import public_directory
from lab.errors import LabError
from lab.milter import Milter
from lab.pgbouncer import PgBouncer
from lab.postfix import cannot_run
from lab.postgres import PostgreSql
from lab.process import wait_for
from lab.system import System
from tests.docs.pages import page
from tests.postfix.conftest import ERROR_LIMITS
from tests.several.nodes import Way, asked, broken, click, command, settings, share_keys, write

OPT_OUTS = int(os.environ.get("OPT_OUTS", "50"))
"""How many in the long run says `make torture`."""

# Nodes, servers and what they wait for share the machine with other tests.
pytestmark = pytest.mark.timeout(250 + 2 * OPT_OUTS)

WAYS = [click, write] * 8 + [command]
"""An operator's command takes as long as thirty clicks, and ends in the same statement."""

OTHER_KEYS = KeyRing(1, b"s" * SECRET_OCTETS, 1, {1: b"t" * SECRET_OCTETS})

Nodes = tuple[System, System]


@pytest.fixture(scope="module")
def url(server: PostgreSql) -> str:
    return server.make_database("consent")


@pytest.fixture(scope="module")
def nodes(url: str) -> Iterator[Nodes]:
    """Two mail systems with the keys of the first."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    with ExitStack() as stack:
        one, other = (stack.enter_context(public_directory()) for _ in range(2))
        first = stack.enter_context(_system(one, url))
        share_keys(one, other)
        yield first, stack.enter_context(_system(other, url))


def _system(directory: Path, url: str) -> System:
    return System(directory, config=settings(directory, url), main=ERROR_LIMITS)


def opted_out_in_turn(nodes: Nodes, name: str, count: int) -> list[tuple[int, int]]:
    """What RCPT is answered at one node before and after a person opts out at the other, for so many people."""
    with closing(nodes[0].client(login="newsletter")) as one, closing(nodes[1].client(login="newsletter")) as other:
        sessions = (one, other)
        return [
            _before_and_after(nodes[n % 2], sessions[1 - n % 2], WAYS[n % len(WAYS)], f"{name}{n}@example.org")
            for n in range(count)
        ]


def _before_and_after(node: Milter, elsewhere: Client, way: Way, person: str) -> tuple[int, int]:
    before = _rcpt(elsewhere, person)
    assert way(node, person), f"{way.__name__} for {person}"
    return before, _rcpt(elsewhere, person)


def _rcpt(smtp: Client, person: str) -> int:
    smtp.mail("news@acme.example").expects(250)
    code = smtp.rcpt(person).code
    smtp.rset().expects(250)
    return code


def test_an_opt_out_at_one_node_refuses_the_next_rcpt_at_the_other(nodes: Nodes) -> None:
    """By a click, a mail and a command, to and fro, in one SMTP session each: never one stale answer."""
    assert opted_out_in_turn(nodes, "ann", OPT_OUTS) == [(250, 550)] * OPT_OUTS
    assert all(node.events("fault") == [] for node in nodes)


def test_an_opt_out_crosses_a_pooler(nodes: Nodes, server: PostgreSql, url: str) -> None:
    """PgBouncer in transaction mode between both nodes and the server; it is missed while it is away, and found."""
    count = max(OPT_OUTS // 2, len(WAYS))
    with public_directory() as directory, PgBouncer(directory, server) as pooler, _moved(nodes, pooler.url("consent")):
        assert opted_out_in_turn(nodes, "bea", count) == [(250, 550)] * count
        _files_cross(nodes)
        pooler.stop()
        assert [asked(node, "bea0@example.org") for node in nodes] == [[451], [451]]
        pooler.start()
        for node in nodes:
            wait_for(partial(_refuses, node, "bea0@example.org"), "an answer through the pooler", timeout=30)
    assert [asked(node, "bea0@example.org", "new@example.org") for node in nodes] == [[550, 250]] * 2


def _files_cross(nodes: Nodes) -> None:
    """One of people nobody knew, one of others too, who take two ways into the table, and one for two processes."""
    for first in (0, 30):
        listed = "".join(f"bob{n}@example.org\n" for n in range(first, first + 60))
        assert "60 rows" in nodes[0].run("import", "-", given=listed)
    people = [f"bob{n}@example.org" for n in (0, 29, 30, 59, 60, 89, 90)]
    assert asked(nodes[1], *people) == [550] * 6 + [250]
    large = "".join(f"somebody.with.a.long.name{n}@example.org\n" for n in range(110_000))
    assert len(large) > LARGE
    assert "110000 rows" in nodes[0].run("import", "-", given=large)
    people = [f"somebody.with.a.long.name{n}@example.org" for n in (0, 54_999, 55_000, 109_999, 110_000)]
    assert asked(nodes[1], *people) == [550] * 4 + [250]


def _refuses(node: Milter, person: str) -> bool:
    return asked(node, person) == [550]


@contextmanager
def _moved(nodes: Nodes, url: str) -> Iterator[None]:
    """Both nodes ask the store at another URL; a reload is enough."""
    own = nodes[0].config["store"]["url"]
    try:
        for node in nodes:
            _ask_at(node, url)
        yield
    finally:
        for node in nodes:
            _ask_at(node, own)


def _ask_at(node: Milter, url: str) -> None:
    node.configure({**node.config, "store": {"url": url}})
    node.reload()


def test_a_list_in_partitions_is_asked_and_changed_like_any_other(nodes: Nodes, server: PostgreSql) -> None:
    """The change-over of docs/scaling.md, under two nodes that go on; nobody is lost by it."""
    assert click(nodes[0], "ada@example.org")
    [script] = re.findall(r"^```sql\n(.*?)^```$", page("scaling.md"), re.MULTILINE | re.DOTALL)
    with closing(psycopg.connect(server.url("consent"), autocommit=True)) as connection:
        connection.execute(script)
        [(parts,)] = connection.execute(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'suppression'::regclass"
        ).fetchall()
    assert parts == 16
    count = len(WAYS)
    assert opted_out_in_turn(nodes, "flo", count) == [(250, 550)] * count
    assert asked(nodes[1], "ada@example.org", "new@example.org") == [550, 250]


def test_a_node_that_remembers_what_it_was_told_would_be_noticed(nodes: Nodes, url: str) -> None:
    """A cache between the commit and the refusal lets the next mail through."""
    with public_directory() as directory:
        share_keys(nodes[0].directory, directory)
        with broken(directory, url, "remember") as forgetful:
            assert asked(forgetful, "eve@example.org") == [250]
            assert click(nodes[0], "eve@example.org")
            assert asked(forgetful, "eve@example.org") == [250]
    assert asked(nodes[1], "eve@example.org") == [550]


def test_a_node_with_keys_of_its_own_is_not_set_up(nodes: Nodes, url: str) -> None:
    """It would miss everybody on the list; `init` makes no keys beside those of the store, and takes no others."""
    with public_directory() as directory:
        stranger = Milter(directory, config=settings(directory, url))
        with pytest.raises(LabError, match=r"exit 2, not 0: .*there is no such file, but the store was made with one"):
            stranger.run("init")
        (directory / "keys.yaml").write_text(OTHER_KEYS.render(), encoding="utf-8")
        with pytest.raises(LabError, match=r"exit 3, not 0: .*was made with another key"):
            stranger.run("init")
    assert click(nodes[0], "fay@example.org")
    assert asked(nodes[1], "fay@example.org") == [550]


def test_a_node_whose_keys_are_exchanged_defers(nodes: Nodes) -> None:
    """Never does it accept because it finds nobody; with its own keys it goes on."""
    own = nodes[1].directory / "keys.yaml"
    kept = own.read_text(encoding="utf-8")
    assert click(nodes[0], "gil@example.org")
    try:
        own.write_text(OTHER_KEYS.render(), encoding="utf-8")
        nodes[1].reload(expect="reload_failed")
        wait_for(lambda: asked(nodes[1], "gil@example.org", "new@example.org") == [451, 451], "a deferral", timeout=30)
    finally:
        own.write_text(kept, encoding="utf-8")
        nodes[1].reload()
    assert asked(nodes[1], "gil@example.org", "new@example.org") == [550, 250]
