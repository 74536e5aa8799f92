"""The laboratory's proxy: each of its faults is what it says."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from lab.process import wait_for
from lab.proxy import Fault, Proxy

REPLY = b"0123456789"


class _Answering(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while self.request.recv(100):
            self.request.sendall(REPLY)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that were reset."""


@pytest.fixture(scope="module")
def target() -> Iterator[int]:
    """The port of a server that answers whatever it is told."""
    with _Server(("127.0.0.1", 0), _Answering) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(target: int) -> Iterator[Proxy]:
    with Proxy(target) as proxy:
        yield proxy


@contextmanager
def client(proxy: Proxy) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=10)) as connection:
        yield connection


def asked(connection: socket.socket, timeout: float = 10.0) -> bytes:
    connection.settimeout(timeout)
    connection.sendall(b"?")
    return connection.recv(100)


def test_what_passes_is_counted_by_the_turns_of_the_client(proxy: Proxy) -> None:
    """Which are the round trips."""
    with client(proxy) as connection:
        assert [asked(connection) for _ in range(3)] == [REPLY] * 3
    assert proxy.turns == 3


def test_what_is_delayed_comes_later(proxy: Proxy) -> None:
    """On either way."""
    with client(proxy) as connection:
        proxy.mode(Fault.DELAY, 0.1)
        start = time.monotonic()
        assert asked(connection) == REPLY
        assert time.monotonic() - start >= 0.2


@pytest.mark.parametrize("fault", [Fault.SWALLOW, Fault.SWALLOW_CLIENT, Fault.SWALLOW_SERVER])
def test_what_is_swallowed_never_comes(proxy: Proxy, fault: Fault) -> None:
    """On this connection not even later: there is a gap in the stream. A new one is as good as ever."""
    with client(proxy) as connection, client(proxy) as idle:
        assert asked(connection) == asked(idle) == REPLY
        proxy.mode(fault)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                asked(connection, timeout=0.05)
            proxy.mode(Fault.PASS)
        assert asked(idle) == REPLY
        with client(proxy) as new:
            assert asked(new) == REPLY


def test_a_reset_ends_open_connections_at_once_and_new_ones_when_they_speak(proxy: Proxy) -> None:
    """With ECONNRESET, not with an end of file."""
    with client(proxy) as connection:
        assert asked(connection) == REPLY
        proxy.mode(Fault.RESET)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with client(proxy) as connection, pytest.raises(ConnectionResetError):
        asked(connection)
    proxy.mode(Fault.PASS)
    with client(proxy) as connection:
        assert asked(connection) == REPLY


def test_half_of_a_reply_comes_before_the_end(proxy: Proxy) -> None:
    """And no more."""
    with client(proxy) as connection:
        proxy.mode(Fault.HALF)
        assert asked(connection) == REPLY[:5]
        assert connection.recv(100) == b""


def test_refused_connections_are_served_again_later(proxy: Proxy) -> None:
    """On the same port."""
    with client(proxy) as connection:
        assert asked(connection) == REPLY
        proxy.mode(Fault.REFUSE)
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    with pytest.raises(ConnectionRefusedError), client(proxy):
        pass
    proxy.mode(Fault.PASS)
    with client(proxy) as connection:
        assert asked(connection) == REPLY
    wait_for(lambda: proxy.connections == 0, "the end of the last connection")


def test_a_server_that_is_away_ends_the_connection() -> None:
    """As the client learns when it reads."""
    with Proxy(1) as proxy, client(proxy) as connection:
        assert connection.recv(100) == b""
