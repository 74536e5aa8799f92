"""HTTP as the web process speaks it: no request is lost, none is answered with more than it should, none is logged."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from consentmilter.control import Configure, Ready
from consentmilter.supervisor.address import Place, UnixAddress
from consentmilter.supervisor.child import Child, Role
from consentmilter.supervisor.listener import Listener
from lab.ports import free_port
from lab.process import wait_for
from tests.supervisor.http_client import HttpClient, LostRequestError, get
from tests.supervisor.service import COMMAND, Service


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The web role alone, with its public listener."""
    with Service(tmp_path_factory.mktemp("web")) as service:
        service.serves(web={"listen": f"127.0.0.1:{free_port()}"})
        yield service.start((*COMMAND, "web")).ready()


def page(service: Service) -> str:
    return str(service.sections["web"]["listen"])


def test_a_fault_of_the_application_is_answered_and_logged_without_the_path(web: Service) -> None:
    """The path can hold a token."""
    reply = get(page(web), "/fault?token=secret")
    assert (reply.status, reply.text) == (500, "Internal Server Error")
    event = web.said("application_failed")
    assert "as asked" in event["exception"]
    assert "secret" not in web.log_file.read_text()


def test_answers_carry_a_date_and_no_name_of_the_server(web: Service) -> None:
    """RFC 9110 6.6.1 asks for the one; the other helps nobody but attackers."""
    headers = get(page(web)).headers
    assert "date" in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    "octets", [b"\r\n\r\n", b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01" + b"\0" * 200]
)
def test_what_is_no_http_is_refused_and_not_logged(web: Service, octets: bytes) -> None:
    """It is the client's fault, and could fill the disk."""

    async def speak() -> bytes:
        async with HttpClient(page(web)) as client:
            await client.send(octets + b"\r\n\r\n")
            return await client.ended()

    assert asyncio.run(speak()).startswith(b"HTTP/1.1 400 ")
    assert web.complaints() == []
    assert get(page(web)).status == 200


def test_a_head_that_never_ends_is_refused(web: Service) -> None:
    """At 16 KiB."""

    async def speak() -> bytes:
        async with HttpClient(page(web)) as client:
            await client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 17_000)
            return await client.ended()

    assert asyncio.run(speak()).startswith(b"HTTP/1.1 400 ")


def holds(child: Child, path: Path) -> bool:
    """Whether a process has the listener at `path`."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines() if line.endswith(str(path))]
    accepting = {f"socket:[{words[6]}]" for words in lines if words[3] == "00010000"}  # __SO_ACCEPTCON
    return any(_means(entry) in accepting for entry in Path(f"/proc/{child.pid}/fd").iterdir())


def _means(entry: Path) -> str:
    """What an open file of a process is; it may have been closed since it was listed."""
    try:
        return str(entry.readlink())
    except FileNotFoundError:
        return ""


class Requests:
    """Clients that ask one thing after the other, on kept connections, fresh ones and both."""

    def __init__(self, address: str, clients: int) -> None:
        self.asked = 0
        self.served: set[int] = set()
        self.lost: list[str] = []
        self._address = address
        self._over = asyncio.Event()
        self._tasks = [asyncio.create_task(self._client(number)) for number in range(clients)]

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._tasks)

    async def _client(self, number: int) -> None:
        async with HttpClient(self._address) as client:
            while not self._over.is_set():
                self.asked += 1
                try:
                    self.served.add((await client.get()).pid)
                except (LostRequestError, OSError) as error:
                    self.lost.append(repr(error))
                if number % 3 == 0:
                    client.hang_up()
                await asyncio.sleep(0.001 * (number % 5))  # so that some connections are idle at any time


def test_replacing_and_reloading_under_traffic_loses_no_request(web: Service) -> None:
    """Neither one on a connection that was kept open nor one on a fresh one."""

    async def story() -> Requests:
        requests = Requests(page(web), clients=12)
        for round_ in range(1, 4):
            web.signal(signal.SIGUSR1)
            await asyncio.to_thread(web.said, "replaced", round_)
            web.signal(signal.SIGHUP)
            await asyncio.to_thread(web.said, "reloaded", round_)
        await requests.stop()
        return requests

    requests = asyncio.run(story())
    assert requests.lost == []
    assert len(requests.served) == 4
    assert requests.asked > 200
    assert web.events("child_died") == []


@pytest.mark.parametrize(
    ("module", "loses"), [("consentmilter.web.child", False), ("tests.supervisor.hasty_web", True)]
)
def test_a_request_into_an_idle_connection_of_a_draining_process_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, loses: bool
) -> None:
    """A process that closes its idle connections at once loses it."""
    monkeypatch.setenv("APPLICATION_DIRECTORY", str(tmp_path))
    path = tmp_path / "web.sock"
    listener = Listener.bind(Place(UnixAddress(path), 0o600))
    command = (sys.executable, "-m", module, "--listen-fd", str(listener.fileno()))
    role = Role("web", (*command, "--application", "tests.supervisor.web_application"), (listener.fileno(),))

    async def story() -> bool:
        child = await Child.start(role)
        try:
            child.configure(Configure("{}", 5.0))
            assert await child.ready() == Ready()
            async with HttpClient(path) as client, HttpClient(path) as late:
                await late.connect()
                await client.get()  # when this is answered, the other one has been accepted as well
                child.drain(10.0)
                await asyncio.to_thread(wait_for, lambda: not holds(child, path), "the end of listening")
                try:
                    answers = [await client.get(), await late.get()]
                except LostRequestError:
                    return True
                assert [answer.headers["connection"] for answer in answers] == ["close", "close"]
                assert await child.exit() == 0
                return False
        finally:
            child.kill()
            await child.exit()

    try:
        assert asyncio.run(story()) is loses
    finally:
        listener.close()
