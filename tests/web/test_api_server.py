"""The API behind a real server: sockets that are slow, break off, or speak something else."""

import json
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest

from tests.store.support import wait_for
from tests.web.api_server import Served, served
from tests.web.api_site import READER, authorization

OPT_OUT = {"email": READER, "scope": "acme.newsletter"}
BODY_SECONDS = 1.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The API, which gives a body one second."""
    with served(tmp_path_factory.mktemp("site"), body_seconds=BODY_SECONDS) as each:
        yield each


def head(*lines: str, path: str = "/v1/suppressions") -> bytes:
    """The head of a POST with a good token."""
    token = authorization("all")["Authorization"]
    every = [f"POST {path} HTTP/1.1", "Host: api.example", f"Authorization: {token}", "Content-Type: application/json"]
    return "\r\n".join([*every, *lines, "", ""]).encode()


def connected(server: Served) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.settimeout(30)
    return connection


def rest(connection: socket.socket) -> bytes:
    """All that the server sends until it closes the connection, however it does so."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def test_a_call_and_its_answer_go_over_the_wire(server: Served) -> None:
    """A connection is used again; HEAD gets the head only."""
    with httpx.Client(base_url=server.url, headers=authorization("all")) as client:
        assert client.post("/v1/suppressions", json=OPT_OUT).status_code == 200
        asked = client.post("/v1/check", json={"email": READER, "stream": "acme.newsletter"})
        assert asked.json()["allowed"] is False
        headed = client.head("/v1/streams")
        assert (headed.status_code, headed.content) == (200, b"")
        assert headed.headers["x-request-id"]


def test_clients_that_trickle_do_not_hold_up_others(server: Served) -> None:
    """They get 408 in time, and the connection is closed."""
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(server)) for _ in range(100)]
        for connection in slow:
            connection.sendall(head("Content-Length: 1000") + b"{")
        started = time.monotonic()
        with httpx.Client(base_url=server.url, headers=authorization("all")) as client:
            took = []
            for _ in range(20):
                asked = time.monotonic()
                assert client.get("/health/live").status_code == 200
                took.append(time.monotonic() - asked)
        answers = [rest(connection) for connection in slow]
        assert time.monotonic() - started < BODY_SECONDS + 60
        assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
        assert statistics.median(took) < 1


def test_a_body_that_says_it_is_huge_is_refused_before_it_comes(server: Served) -> None:
    """And one that does not say so, as soon as it is too long."""
    with connected(server) as connection:
        connection.sendall(head("Content-Length: 1000000000"))
        assert rest(connection).startswith(b"HTTP/1.1 413 ")
    with connected(server) as connection:
        connection.sendall(head("Transfer-Encoding: chunked"))
        chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        sent = 0
        with suppress(OSError):  # the server closes, as it should
            while sent < 1_000_000_000:
                connection.sendall(chunk)
                sent += len(chunk)
        # What closing with unread octets leaves of the answer is TCP's affair (RFC 9112 9.6).
        assert rest(connection)[:13] in (b"", b"HTTP/1.1 413 ")
        assert sent < 50_000_000


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "99999999999999999999999", "1, 2", "\u0661"])
def test_a_forged_length_gets_a_refusal(server: Served, length: str) -> None:
    """Of the API or of the server before it; never a fault."""
    with connected(server) as connection:
        connection.sendall(head().replace(b"Content-Type", f"Content-Length: {length}\r\nContent-Type".encode(), 1))
        assert rest(connection).split(b" ")[1] in (b"400", b"413")


@pytest.mark.parametrize("body", [b"", b'{"email": "reader@exa'])
def test_who_leaves_in_mid_body_has_said_nothing(server: Served, body: bytes) -> None:
    """A half opt-out is none, and the server goes on."""
    other = "left@example.net"
    whole = json.dumps({"email": other, "scope": "acme.newsletter"}).encode()
    with connected(server) as connection:
        connection.sendall(head(f"Content-Length: {len(whole)}") + (body and whole[:-1]))
    with httpx.Client(base_url=server.url, headers=authorization("all")) as client:
        wait_for(lambda: client.get("/health/ready").status_code == 200)
        told = client.post("/v1/check", json={"email": other, "stream": "acme.newsletter"})
        assert told.json()["allowed"] is True


def test_an_opt_out_counts_even_if_nobody_waits_for_the_answer(server: Served) -> None:
    """The whole body had come; the store's work is not broken off."""
    gone = "gone@example.net"
    whole = json.dumps({"email": gone, "scope": "acme.newsletter"}).encode()
    with connected(server) as connection:
        connection.sendall(head(f"Content-Length: {len(whole)}") + whole)
    question = {"email": gone, "stream": "acme.newsletter"}
    with httpx.Client(base_url=server.url, headers=authorization("all")) as client:
        wait_for(lambda: client.post("/v1/check", json=question).json()["allowed"] is False)
