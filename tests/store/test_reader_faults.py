"""Look-ups on PostgreSQL while network and server fail: an answer by the deadline, never a wrong one, and recovery.

The clock of these readers can be put forward, so that the rest that a store gets after a failure takes no time.
"""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals

import psycopg
import pytest

from consentmilter.errors import StoreBusyError, StoreError
from consentmilter.store.postgres import connecting
from consentmilter.store.reader import Reader
from lab.postgres import PostgreSql
from lab.process import session_members, wait_for
from lab.proxy import Fault, Proxy
from tests.store.reading import fill
from tests.store.support import KEYS, person, suppressed

DEADLINE = 0.1
SLACK = 5.0
"""What a busy machine may add; without a deadline of their own, these look-ups would take that long or for ever."""

GENEROUS = 10.0
"""A deadline for what has to succeed."""


@pytest.fixture
def kind() -> str:
    return "postgresql"


@pytest.fixture(autouse=True)
def _two_of_three_suppressed(url: str) -> None:
    fill(url, suppressed(1), suppressed(2))


@pytest.fixture
def proxy(postgres_server: PostgreSql) -> Iterator[Proxy]:
    with Proxy(postgres_server.port) as proxy:
        yield proxy


def through(url: str, *proxies: Proxy) -> str:
    """The URL of the same database behind these proxies."""
    before, _, after = url.partition("@")
    hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies)
    return f"{before}@{hosts}/{after.rpartition('/')[2]}"


class Impatient(Reader):
    """A reader that never rests."""

    def __init__(self, url: str, deadline: float = DEADLINE) -> None:
        self._ahead = 0.0
        super().__init__(url, KEYS, deadline, clock=lambda: time.monotonic() + self._ahead)

    def answers(self) -> bool:
        """Whether it finds who is suppressed; an answer that is wrong is an error."""
        self._ahead += 1.0
        try:
            found = self.look_up([person(1), person(2), person(3)]).suppressions
        except StoreError:
            return False
        assert {row.subject for row in found} == {person(1), person(2)}
        return True

    def recovers(self) -> None:
        wait_for(self.answers, "an answer", timeout=30.0)

    def fails_in_time(self) -> StoreError:
        """Fail by the deadline."""
        self._ahead += 1.0
        start = time.monotonic()
        with pytest.raises(StoreError) as failure:
            self.look_up([person(1), person(2), person(3)])
        assert time.monotonic() - start < DEADLINE + SLACK
        assert "given a rest" not in str(failure.value)
        return failure.value


# The network


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.PASS], ids=lambda fault: fault.name)
def test_whatever_the_network_does_the_answer_comes_in_time_and_is_right(url: str, proxy: Proxy, fault: Fault) -> None:
    """50 times: each second time on a connection that was made in good times, else on one that is to be made."""
    readers = [Impatient(through(url, proxy)) for _ in range(5)]
    with ThreadPoolExecutor(len(readers)) as threads:
        for each in range(10):
            if each % 2 == 0:
                proxy.mode(Fault.PASS)
                list(threads.map(Impatient.recovers, readers))
                proxy.mode(fault, 4 * DEADLINE)
            failures = list(threads.map(Impatient.fails_in_time, readers))
            if fault.name.startswith(("DELAY", "SWALLOW")):
                assert all(isinstance(failure, StoreBusyError) for failure in failures)
        proxy.mode(Fault.PASS)
        list(threads.map(Impatient.recovers, readers))
    for reader in readers:
        reader.close()


def test_the_drivers_own_wait_has_no_end(url: str, proxy: Proxy) -> None:
    """Which shows that the test above can fail: its time-outs are the server's and TCP's."""
    limits = "connect_timeout=1&tcp_user_timeout=1000&options=-cstatement_timeout%3D1000"
    with closing(psycopg.connect(f"{through(url, proxy)}?{limits}")) as connection:
        connection.execute("SELECT 1")
        proxy.mode(Fault.SWALLOW)
        ended = threading.Event()

        def ask() -> None:
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
            ended.set()

        asking = threading.Thread(target=ask)
        asking.start()
        assert not ended.wait(1.5)
        proxy.mode(Fault.RESET)
        asking.join(30)
        assert ended.is_set()


def test_a_connection_that_ended_meanwhile_is_replaced_within_the_call(url: str, proxy: Proxy) -> None:
    """The caller notices nothing, however many had ended."""
    with Reader(through(url, proxy), KEYS, GENEROUS) as reader, ThreadPoolExecutor(4) as threads:
        for _ in range(3):
            barrier = threading.Barrier(4)
            list(threads.map(lambda _, at=barrier: at.wait() and reader.look_up([person(1)]), range(4)))
            proxy.mode(Fault.RESET)
            proxy.mode(Fault.PASS)
            assert len(reader.look_up([person(1)]).suppressions) == 1


# The server


@contextmanager
def frozen(server: PostgreSql) -> Iterator[None]:
    """No process of the server runs."""
    stopped = server.processes()
    _signal(stopped, SIGSTOP)
    try:
        yield
    finally:
        _signal(stopped, SIGCONT)


@contextmanager
def crashed(server: PostgreSql) -> Iterator[None]:
    """The server is gone all at once, and started again."""
    server.execute("CHECKPOINT")  # it commits asynchronously
    killed = server.processes()
    _signal(killed, SIGKILL)
    wait_for(lambda: not any(map(session_members, killed)), "the end of the server")
    server.process.stop()
    try:
        yield
    finally:
        server.start()


def _signal(pids: list[int], number: Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def test_a_frozen_server_is_given_up_at_the_deadline(url: str, postgres_server: PostgreSql) -> None:
    """Its kernel still takes connections and data. It serves again when it thaws."""
    with Impatient(url) as reader:
        reader.recovers()
        with frozen(postgres_server):
            assert all(isinstance(reader.fails_in_time(), StoreBusyError) for _ in range(4))
        reader.recovers()


def test_a_server_that_comes_back_is_used_again(url: str, postgres_server: PostgreSql) -> None:
    """After a crash, without a restart of ours."""
    with Impatient(url) as reader:
        reader.recovers()
        with crashed(postgres_server):
            for _ in range(3):
                reader.fails_in_time()
        reader.recovers()


def test_a_restart_between_two_look_ups_is_not_noticed(url: str, postgres_server: PostgreSql) -> None:
    """The connections died, and the server is there."""
    with Reader(url, KEYS, GENEROUS) as reader:
        reader.look_up([person(1)])
        postgres_server.stop()
        postgres_server.start()
        assert len(reader.look_up([person(1)]).suppressions) == 1


# Several hosts


def test_a_host_that_swallows_everything_leaves_time_for_the_next(
    url: str, postgres_server: PostgreSql, proxy: Proxy
) -> None:
    """Wherever it stands in the list."""
    with Proxy(postgres_server.port) as dead:
        dead.mode(Fault.SWALLOW)
        for hosts in ((dead, proxy), (proxy, dead), (dead, dead, proxy)):
            with Reader(through(url, *hosts), KEYS, GENEROUS) as reader:
                assert len(reader.look_up([person(1)]).suppressions) == 1


def test_one_host_after_the_other_would_spend_the_deadline_on_the_first(
    url: str, postgres_server: PostgreSql, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which shows that the test above can fail."""
    monkeypatch.setattr(connecting, "_head_start", lambda left, _hosts: left)
    with Proxy(postgres_server.port) as dead, Impatient(through(url, dead, proxy), deadline=0.5) as reader:
        dead.mode(Fault.SWALLOW)
        assert not reader.answers()


def test_a_host_that_refuses_is_passed_over(url: str, postgres_server: PostgreSql, proxy: Proxy) -> None:
    """And where all do, each is named."""
    with Proxy(postgres_server.port) as other, Impatient(through(url, other, proxy), deadline=GENEROUS) as reader:
        other.mode(Fault.REFUSE)
        assert reader.answers()
        proxy.mode(Fault.REFUSE)
        failure = str(reader.fails_in_time())
        assert all(f"port {host.port} failed: Connection refused" in failure for host in (other, proxy))


def test_fail_over_and_back_needs_no_restart(url: str, postgres_server: PostgreSql, proxy: Proxy) -> None:
    """From a host that vanishes with its connections to the other one, and back."""
    with Proxy(postgres_server.port) as other, Impatient(through(url, proxy, other), deadline=1.0) as reader:
        reader.recovers()
        for gone, left in itertools.islice(itertools.cycle([(proxy, other), (other, proxy)]), 4):
            gone.mode(Fault.SWALLOW)
            reader.recovers()
            assert left.connections
            gone.mode(Fault.PASS)
