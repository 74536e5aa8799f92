"""Slow clients, silent clients and clients that do not read: they end, and others do not notice them."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from consentmilter.control import Configure, Ready
from consentmilter.supervisor.address import Place, UnixAddress
from consentmilter.supervisor.child import Child, Role
from consentmilter.supervisor.listener import Listener
from consentmilter.web.listening import Listening
from consentmilter.web.patience import PatientProtocol
from tests.supervisor.http_client import HttpClient

SLOW_CLIENTS = 500
LARGE = "x" * 8_000_000


class Hasty(PatientProtocol):
    """With little patience, so that the tests need not have more."""

    HEAD_WITHIN = 0.3
    EXCHANGE_WITHIN = 0.8


class Calm(PatientProtocol):
    """With more, for what a busy machine has to come to in that time."""

    HEAD_WITHIN = 2.0
    EXCHANGE_WITHIN = 60.0


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["path"]:
        case "/body":
            while (await receive()).get("more_body"):
                pass
        case "/never":
            await asyncio.Event().wait()
        case "/early":
            await PlainTextResponse("too large", 413)(scope, receive, send)
            return
    await PlainTextResponse(LARGE if scope["path"] == "/large" else "done")(scope, receive, send)


@contextmanager
def lend() -> Iterator[ASGIApp]:
    yield application


@asynccontextmanager
async def listening(path: Path, limit: int = 100, protocol: type[PatientProtocol] = Hasty) -> AsyncIterator[Listening]:
    """A listener in this process, with little patience unless a test needs more."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        listener = Listening(sock, lend, limit, protocol)
        await listener.open()
        try:
            yield listener
        finally:
            await listener.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the listener does."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - it tells of no change
            await asyncio.sleep(0.01)


async def gone(listener: Listening) -> None:
    """Wait until no connection is left."""
    await until(lambda: listener.connections() == 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web.sock"


async def trickle(client: HttpClient, octets: bytes, pause: float = 0.02) -> None:
    """Send an octet at a time, until the server has had enough."""
    try:
        for octet in octets:
            await client.send(bytes([octet]))
            await asyncio.sleep(pause)
    except ConnectionError:
        return


@pytest.mark.parametrize("start", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
def test_a_head_that_is_not_complete_in_time_ends_the_connection(path: Path, start: bytes) -> None:
    """However steadily it trickles."""

    async def story() -> float:
        async with listening(path) as listener, HttpClient(path) as client:
            await client.connect()
            began = time.monotonic()
            sending = asyncio.create_task(trickle(client, start + b"x" * 10_000))
            assert await client.ended() == b""
            took = time.monotonic() - began
            await gone(listener)
            sending.cancel()
            return took

    assert 0.25 < asyncio.run(story()) < 30


def test_the_next_head_on_a_kept_connection_has_the_same_time(path: Path) -> None:
    """Each answer begins it anew."""

    async def story() -> None:
        async with listening(path, protocol=Calm) as listener, HttpClient(path) as client:
            for _ in range(4):
                assert (await client.get()).text == "done"
                await asyncio.sleep(Calm.HEAD_WITHIN / 3)
            sending = asyncio.create_task(trickle(client, b"GET / HTTP/1.1\r\n" + b"x" * 10_000))
            assert await client.ended() == b""
            await gone(listener)
            assert client.opened == 1
            sending.cancel()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("path_", "body"),
    [("/body", b"x" * 10_000), ("/never", b""), ("/large", b"")],
    ids=["a body that trickles", "an answer that never comes", "an answer that is not read"],
)
def test_a_request_that_is_not_over_in_time_ends_the_connection(path: Path, path_: str, body: bytes) -> None:
    """Whoever is to blame."""

    async def story() -> float:
        async with listening(path) as listener, HttpClient(path) as client:
            began = time.monotonic()
            head = f"POST {path_} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            await client.send(head)
            sending = asyncio.create_task(trickle(client, body))
            await until(lambda: listener.connections() == 1)
            await gone(listener)
            sending.cancel()
            return time.monotonic() - began

    assert 0.25 < asyncio.run(story()) < 30


def test_a_body_that_is_sent_on_after_the_answer_is_not_taken_for_ever(path: Path) -> None:
    """What was refused as too large is neither kept nor waited for."""

    async def story() -> None:
        async with listening(path) as listener, HttpClient(path) as client:
            await client.send(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
            assert (await client.reply()).status == 413
            sending = asyncio.create_task(trickle(client, b"x" * 10_000, pause=0))
            await gone(listener)
            await sending

    asyncio.run(story())


def test_where_all_connections_wait_the_slowest_makes_room(path: Path) -> None:
    """A client that asks at once is served, however many others hold a connection."""

    async def story() -> None:
        async with listening(path, limit=10) as listener:
            slow = [await HttpClient(path).connect() for _ in range(9)]
            busy = HttpClient(path)
            await busy.send(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
            async with HttpClient(path) as quick:
                assert (await quick.get()).status == 200
            assert [await client.ended() for client in slow[:2]] == [b"", b""]
            assert listener.connections() <= 10
            for client in (*slow, busy):
                client.hang_up()

    asyncio.run(story())


def test_where_all_connections_are_served_another_is_told_so(path: Path) -> None:
    """503, and the others go on."""

    async def story() -> None:
        async with listening(path, limit=5, protocol=Calm) as listener:
            busy = [HttpClient(path) for _ in range(5)]
            for client in busy:
                await client.send(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n")
            await until(lambda: listener.connections() >= 4)
            async with HttpClient(path) as another:
                assert (await another.get()).status == 503
            for client in busy:
                client.hang_up()

    asyncio.run(story())


def resident(pid: int) -> int:
    """The memory of a process, in octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def latencies(path: Path, count: int) -> list[float]:
    """How long so many requests take, one after the other, each on a connection of its own."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        async with HttpClient(path) as client:
            assert (await client.get()).status == 200
        took.append(time.monotonic() - began)
    return sorted(took)


def test_five_hundred_slow_clients_cost_others_nothing(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the other requests 99 in 100 take less than a second, and the memory of the process stays flat."""
    monkeypatch.setenv("APPLICATION_DIRECTORY", str(tmp_path))
    listener = Listener.bind(Place(UnixAddress(path)))
    command = (sys.executable, "-m", "consentmilter.web.child", "--listen-fd", str(listener.fileno()))
    role = Role("web", (*command, "--application", "tests.supervisor.web_application"), (listener.fileno(),))

    async def story() -> tuple[list[float], int, int]:
        child = await Child.start(role)
        try:
            child.configure(Configure("{}", 5.0))
            assert await child.ready() == Ready()
            await latencies(path, 20)
            before = resident(child.pid)
            slow = [await HttpClient(path).connect() for _ in range(SLOW_CLIENTS)]
            heads = (b"GET / HTTP/1.1\r\nX: ", b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
            for number, client in enumerate(slow):
                await client.send(heads[number % 2])
            trickling = [asyncio.create_task(trickle(client, b"x" * 1000, pause=0.2)) for client in slow]
            took = await latencies(path, 300)
            held = resident(child.pid)
            took += await latencies(path, 300)
            after = resident(child.pid)
            for task, client in zip(trickling, slow, strict=True):
                task.cancel()
                client.hang_up()
            return sorted(took), held - before, after - held
        finally:
            child.kill()
            await child.exit()

    try:
        took, for_all, later = asyncio.run(story())
    finally:
        listener.close()
    assert took[round(len(took) * 0.99)] < 1.0
    assert for_all < SLOW_CLIENTS * 40_000
    assert later < 1_000_000
