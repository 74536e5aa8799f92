"""Workers come and go; sessions do not notice."""

import asyncio
import os
import platform
import resource
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consentmilter.control import Configure, Ready
from consentmilter.supervisor.address import Place, UnixAddress
from consentmilter.supervisor.child import Child, Role
from consentmilter.supervisor.listener import Listener
from lab.ports import free_port
from lab.process import wait_for
from tests.supervisor.conftest import MakeService
from tests.supervisor.mta import LostError, Mta
from tests.supervisor.service import Service, alive

ACCEPT = {"x86_64": "43", "aarch64": "202"}
"""The number of accept(2)."""


async def said(service: Service, event: str, count: int = 1) -> dict[str, Any]:
    """Wait for an event while sessions go on."""
    return await asyncio.to_thread(service.said, event, count)


async def until(condition: Callable[[], Any], what: str) -> None:
    """Wait for a condition while sessions go on."""
    await asyncio.to_thread(wait_for, condition, what)


class Traffic:
    """Many sessions at once, each of some messages, one after the other in each of so many lanes."""

    def __init__(self, service: Service, lanes: int) -> None:
        self.opened = self.messages = 0
        self.lost: list[str] = []
        self.served: Counter[int] = Counter()
        self._service = service
        self._over = asyncio.Event()
        self._lanes = [asyncio.create_task(self._lane(number)) for number in range(lanes)]

    async def stop(self) -> None:
        self._over.set()
        await asyncio.gather(*self._lanes)

    async def _lane(self, number: int) -> None:
        async with Mta(self._service.address) as mta:
            while not self._over.is_set():
                self.opened += 1
                try:
                    session = await mta.open()
                    for _ in range((number + 1) % 4):  # some sessions end without a message
                        self.served[(await session.message()).pid] += 1
                        self.messages += 1
                    await session.close()
                except (LostError, OSError) as error:
                    self.lost.append(repr(error))


@pytest.mark.parametrize("form", ["unix", "inet:127.0.0.1:{}"])
def test_replacing_every_worker_under_traffic_loses_no_connection(make_service: MakeService, form: str) -> None:
    """Not one connection is refused or reset, not one session is cut, over several replacements of all workers."""
    service = make_service(**({} if form == "unix" else {"socket": form.format(free_port())})).start().ready()
    (service.directory / "slow-close").touch()

    async def story() -> Traffic:
        traffic = Traffic(service, lanes=24)
        for round_ in range(1, 4):
            service.signal(signal.SIGUSR1)
            await said(service, "replaced", round_)
        await until(lambda: len(service.events("child_left")) == 6, "all old workers to leave")
        await traffic.stop()
        return traffic

    traffic = asyncio.run(story())
    assert traffic.lost == []
    assert traffic.opened > 500
    assert len(traffic.served) >= 4
    assert {entry["cut"] for entry in service.events("child_left")} == {0}
    assert service.events("child_died") == []
    assert service.complaints() == []


def test_a_session_in_the_middle_of_a_message_is_not_disturbed(service: Service) -> None:
    """Its worker stays for it alone: it finishes the message, and further ones; new sessions go to new workers."""

    async def story() -> None:
        async with Mta(service.address) as mta:
            session = await mta.open()
            old = (await session.message()).pid
            await session.begin()
            service.signal(signal.SIGUSR1)
            await said(service, "replaced")
            await until(lambda: len(service.workers()) == 3, "the idle old worker to leave")
            assert old in service.workers()
            assert (await session.finish()).pid == old
            assert (await session.message()).pid == old
            others = [await (await mta.open()).message() for _ in range(30)]
            assert old not in {stamp.pid for stamp in others}
            await session.close()
            await until(lambda: not alive(old), "the old worker to leave")

    asyncio.run(story())
    assert service.said("child_left", 2)["cut"] == 0


def test_a_connection_that_has_said_nothing_yet_is_not_lost(service: Service) -> None:
    """Accepted before the drain, negotiated after it."""

    async def story() -> None:
        async with Mta(service.address) as mta:
            silent = [await mta.connect() for _ in range(10)]
            service.signal(signal.SIGUSR1)
            await said(service, "replaced")
            for session in silent:
                await session.negotiate()
                assert await session.message()

    asyncio.run(story())


def test_a_worker_without_descriptors_to_spare_drains_once_sessions_give_some_back(make_service: MakeService) -> None:
    """To stop listening takes a few; until then it says what hinders it, and cuts nobody."""
    service = make_service(workers=1).start().ready()
    (old,) = service.workers()

    async def story() -> None:
        async with Mta(service.address) as mta:
            sessions = [await mta.open() for _ in range(5)]
            highest = max(int(entry.name) for entry in await asyncio.to_thread(descriptors, old))
            resource.prlimit(old, resource.RLIMIT_NOFILE, (highest + 1, highest + 1))
            service.signal(signal.SIGUSR1)
            assert "Too many open files" in (await said(service, "drain_hindered"))["error"]
            for session in sessions:
                assert (await session.message()).pid == old
                await session.close()
            assert (await said(service, "child_left"))["cut"] == 0

    asyncio.run(story())


def descriptors(pid: int) -> list[Path]:
    return list(Path(f"/proc/{pid}/fd").iterdir())


def test_a_replacement_that_cannot_work_leaves_the_old_workers(service: Service) -> None:
    """They serve on; the log says why."""
    before = set(service.workers())
    (service.directory / "refuse").write_text("the key file is damaged")
    service.signal(signal.SIGUSR1)
    assert service.said("replacement_stopped")["level"] == "error"
    assert service.said("child_refused")["reason"] == "the key file is damaged"
    wait_for(lambda: set(service.workers()) == before, "the new worker to be gone")

    async def story() -> None:
        async with Mta(service.address) as mta:
            assert (await (await mta.open()).message()).pid in before

    asyncio.run(story())


def test_stopping_drains_and_leaves_no_path(service: Service) -> None:
    """At SIGTERM nobody can connect any more, open sessions end in peace, then all processes are gone."""

    async def story() -> None:
        async with Mta(service.address) as mta:
            session = await mta.open()
            service.signal(signal.SIGTERM)
            await until(lambda: not service.path.exists(), "the path to go")
            await until(lambda: len(service.workers()) == 1, "the idle worker to leave")
            await session.message()
            assert service.process.poll() is None
            await session.close()
            assert await asyncio.to_thread(service.end) == 0

    asyncio.run(story())
    assert service.workers() == []
    assert service.said("stopped")


def test_connections_that_wait_at_the_stop_are_served(make_service: MakeService) -> None:
    """They came before it: a worker accepts them first, and then drains."""
    service = make_service(workers=1).start().ready()
    (worker,) = service.workers()

    async def story() -> None:
        async with Mta(service.address) as mta:
            os.kill(worker, signal.SIGSTOP)
            waiting = [await mta.connect() for _ in range(20)]
            service.signal(signal.SIGTERM)
            await until(lambda: not service.path.exists(), "the path to go")
            os.kill(worker, signal.SIGCONT)
            for session in waiting:
                await session.negotiate()
                await session.message()
                await session.close()
        assert await asyncio.to_thread(service.end) == 0

    asyncio.run(story())


def test_sessions_that_outlast_the_drain_are_cut(make_service: MakeService) -> None:
    """The worker says how many, and its runtime is flushed all the same."""
    service = make_service(workers=1, drain=0.5).start().ready()
    (worker,) = service.workers()

    async def story() -> None:
        async with Mta(service.address) as mta:
            sessions = [await mta.open() for _ in range(3)]
            began = time.monotonic()
            service.signal(signal.SIGTERM)
            assert await asyncio.to_thread(service.end) == 0
            assert time.monotonic() - began >= 0.5
            with pytest.raises(LostError):
                await sessions[0].message()

    asyncio.run(story())
    assert service.said("child_left")["cut"] == 3
    assert (service.directory / f"closed-{worker}-1").exists()


def test_a_second_stop_shortens_the_drain_to_five_seconds(make_service: MakeService) -> None:
    """For the operator who cannot wait."""
    service = make_service(workers=1, drain=60).start().ready()

    async def story() -> None:
        async with Mta(service.address) as mta:
            await mta.open()
            service.signal(signal.SIGINT)
            await said(service, "stopping")
            began = time.monotonic()
            service.signal(signal.SIGINT)
            assert await asyncio.to_thread(service.end) == 0
            assert 4.9 <= time.monotonic() - began < 50

    asyncio.run(story())
    assert service.said("child_left")["cut"] == 1


def test_only_a_worker_that_outlives_its_drain_is_killed(make_service: MakeService) -> None:
    """A stopped process cannot drain; five seconds after its time it is killed, by its process id."""
    service = make_service(workers=2, drain=0.2).start().ready()
    frozen, other = service.workers()
    os.kill(frozen, signal.SIGSTOP)
    assert service.stop() == 0
    assert [entry["pid"] for entry in service.events("child_killed")] == [frozen]
    assert [(entry["pid"], entry["signal"]) for entry in service.events("child_died")] == [(frozen, signal.SIGKILL)]
    assert service.events("control_channel_failed") == []
    assert not alive(other)


def test_a_stop_before_the_service_is_ready_ends_it(make_service: MakeService) -> None:
    """Also while a worker that dies young waits for its next try."""
    service = make_service(workers=1)
    (service.directory / "die").touch()
    service.start().said("child_restarts", 2)
    assert service.stop() == 0
    assert service.events("ready") == []
    assert not service.path.exists()


def test_workers_of_a_killed_supervisor_finish_while_another_starts(make_service: MakeService) -> None:
    """Their sessions go on; the path that was left behind is stale, since nobody listens behind it any more."""
    first = make_service(drain=20).start().ready()

    async def story() -> None:
        async with Mta(first.address) as mta:
            session = await mta.open()
            before = await session.message()
            first.process.kill()
            await until(lambda: first.workers() == [before.pid], "the idle worker to leave")
            second = make_service(socket=first.milter["socket"]).start()
            await said(second, "ready")
            assert (await session.message()).pid == before.pid
            assert (await (await mta.open()).message()).pid in second.workers()
            await session.close()
            await until(lambda: not alive(before.pid), "the last old worker to leave")

    asyncio.run(story())


class Workers:
    """Four workers without a supervisor; they are gone after the block."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._children: list[Child] = []

    async def __aenter__(self) -> list[Child]:
        for _ in range(4):
            self._children.append(child := await Child.start(self._role))
            child.configure(Configure('{"mode": "observe"}', 5.0))
        for child in self._children:
            assert await child.ready() == Ready()
        return self._children

    async def __aexit__(self, *_: object) -> None:
        for child in self._children:
            child.kill()
            await child.exit()


def make_blocking(descriptor: int) -> None:
    """The flag belongs to the open file, which the workers share."""
    with socket.socket(fileno=os.dup(descriptor)) as sock:
        sock.setblocking(True)


async def drive_one_into_accept(children: list[Child], mta: Mta) -> Child:
    """Open sessions in bursts until a worker comes too late for one and waits in accept(2)."""
    for _ in range(1000):
        for session in await asyncio.gather(*(mta.open() for _ in range(6))):
            await session.close()
        for child in children:
            if await asyncio.to_thread(system_call, child.pid) == ACCEPT[platform.machine()]:
                return child
    pytest.fail("no worker came too late for a connection")


def system_call(pid: int) -> str:
    """The number of the system call in which the main thread of a process waits."""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0]


@pytest.mark.skipif(platform.machine() not in ACCEPT, reason="the number of accept(2) here is not known to the test")
@pytest.mark.parametrize(
    ("module", "loses"), [("consentmilter.milter.worker", False), ("tests.supervisor.broken_worker", True)]
)
def test_a_worker_that_is_inside_accept_drains_without_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, loses: bool
) -> None:
    """It leaves the old listener before it believes that it has no connections; a worker that does not loses some.

    To bring one there, the listener is made blocking: of all that wake for a connection, the late ones are stuck.
    """
    monkeypatch.setenv("APPLICATION_DIRECTORY", str(tmp_path))
    (tmp_path / "slow-close").touch()
    address = UnixAddress(tmp_path / "milter.sock")
    listener = Listener.bind(Place(address, 0o600))
    command = (sys.executable, "-m", module, "--listen-fd", str(listener.fileno()))
    role = Role("milter", (*command, "--application", "tests.supervisor.application"), (listener.fileno(),))

    async def story() -> int:
        async with Workers(role) as children, Mta(address) as mta:
            make_blocking(listener.fileno())
            inside = await drive_one_into_accept(children, mta)
            leaving = asyncio.create_task(inside.exit())
            inside.drain(20.0)
            await until((tmp_path / f"closing-{inside.pid}-1").exists, "the worker to believe that it has no sessions")
            lost = 0
            while not leaving.done():
                try:
                    session = await mta.open()
                    await session.message()
                    await session.close()
                except LostError:
                    lost += 1
            assert await leaving == 0
            return lost

    try:
        assert bool(asyncio.run(story())) is loses
    finally:
        listener.close()
