"""The pages behind a real server, over a real socket: long bodies, slow clients, HEAD."""

import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from tests.web.chromium import Server
from tests.web.pages_site import ONE_CLICK, token

GIGABYTE = 10**9
SLOW = 100


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    """The pages on a free port of loopback."""
    with Server(url, {}) as server:
        yield server


def connect(server: Server) -> socket.socket:
    parts = urlsplit(server.base)
    return socket.create_connection((parts.hostname, parts.port), timeout=30)


def head(length: int, path: str = f"/u/{token()}") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("start", "status"), [(ONE_CLICK + b"&" + b"x" * 2000, b"200"), (b"x" * 2000 + ONE_CLICK, b"400")]
)
def test_of_a_gigabyte_the_first_kilobyte_is_read(server: Server, start: bytes, status: bytes) -> None:
    """The answer comes before the rest, and nobody takes that."""
    with connect(server) as client:
        client.sendall(head(GIGABYTE) + start)
        assert client.recv(20).startswith(b"HTTP/1.1 " + status)
        client.settimeout(0.5)
        with pytest.raises(OSError):  # a time-out, or the end of the connection
            client.sendall(b"x" * (GIGABYTE // 20))


def test_slow_clients_hold_nobody_up(server: Server) -> None:
    """While many send nothing but a head and an octet now and then, most clicks are answered at once."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(server)) for _ in range(SLOW)]
        for client in slow:
            client.sendall(head(1000) + b"L")
        times = []
        for number in range(20):
            begin = time.perf_counter()
            answer = httpx.post(f"{server.base}/u/{token(number=number)}", content=ONE_CLICK)
            times.append(time.perf_counter() - begin)
            assert answer.status_code == 200
            slow[number].sendall(b"i")
        assert statistics.median(times) < 1


def test_head_is_the_header_of_get(server: Server) -> None:
    """Without the page, and without a name for the server's software in it."""
    shown = httpx.get(f"{server.base}/u/{token()}")
    asked = httpx.head(f"{server.base}/u/{token()}")
    assert (asked.status_code, asked.content) == (200, b"")
    ignored = {"date"}
    assert {k: v for k, v in asked.headers.items() if k not in ignored} == {
        k: v for k, v in shown.headers.items() if k not in ignored
    }
