"""Socket activation and readiness, as systemd does them: LISTEN_FDS, LISTEN_PID and NOTIFY_SOCKET."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervisor.conftest import MakeService
from tests.supervisor.mta import Mta
from tests.supervisor.service import COMMAND, Service

# LISTEN_PID is the id of the process that gets the sockets, so it is set after the fork; and they start at 3.
ACTIVATE = ("bash", "-c", 'exec 3<&"$PASSED"; export LISTEN_PID=$$ LISTEN_FDS=1; exec "$@"', "activate", *COMMAND)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(tmp_path / "activated.sock"))
        yield sock


def activate(service: Service, listener: socket.socket) -> None:
    service.environment["PASSED"] = str(listener.fileno())
    service.start(ACTIVATE, pass_fds=(listener.fileno(),))


def test_an_inherited_socket_is_served_and_kept(
    make_service: MakeService, listener: socket.socket, tmp_path: Path
) -> None:
    """Nothing is bound and nothing removed; what connects while nobody serves is served by the next start."""
    listener.listen()
    path = tmp_path / "activated.sock"
    service = make_service(socket=f"unix:{path}")

    async def story() -> None:
        async with Mta(service.address) as mta:
            early = await mta.connect()
            activate(service, listener)
            await early.negotiate()
            assert (await early.message()).pid in service.workers()
            await early.close()
            assert service.said("listening")["inherited"] is True
            assert await asyncio.to_thread(service.stop) == 0
            late = await mta.connect()
            activate(service, listener)
            await late.negotiate()
            assert (await late.message()).pid in service.workers()

    asyncio.run(story())
    assert path.exists()


def test_a_socket_that_does_not_listen_is_refused(make_service: MakeService, listener: socket.socket) -> None:
    """Accept=yes, or a datagram socket, is a mistake in the unit."""
    service = make_service()
    activate(service, listener)
    assert service.end() == 3
    assert "Accept=no" in service.said("listen_failed")["error"]


def test_a_live_socket_of_another_instance_ends_the_start(make_service: MakeService, service: Service) -> None:
    """Exit code 3 and a clear error; the other instance is not disturbed."""
    second = make_service(socket=service.milter["socket"]).start()
    assert second.end() == 3
    assert "somebody listens" in second.said("listen_failed")["error"]
    assert service.path.exists()


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_ready_reloading_and_stopping(
    make_service: MakeService, tmp_path: Path, abstract: bool
) -> None:
    """In that order, and ready again after a reload; children do not inherit the address."""
    name = f"\0{tmp_path}" if abstract else str(tmp_path / "notify")
    service = make_service(workers=1)
    service.environment["NOTIFY_SOCKET"] = name.replace("\0", "@")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifications:
        notifications.bind(name)
        notifications.settimeout(20)
        service.start()
        assert notifications.recv(1024) == b"READY=1"
        (worker,) = service.workers()
        assert b"NOTIFY_SOCKET" not in Path(f"/proc/{worker}/environ").read_bytes()
        service.signal(signal.SIGHUP)
        reloading = notifications.recv(1024).split(b"\n")
        assert reloading[0] == b"RELOADING=1"
        assert reloading[1].startswith(b"MONOTONIC_USEC=")
        assert notifications.recv(1024) == b"READY=1"
        service.signal(signal.SIGTERM)
        assert notifications.recv(1024) == b"STOPPING=1"
    assert service.end() == 0


def test_nobody_who_listens_for_notifications_is_no_reason_to_fail(make_service: MakeService, tmp_path: Path) -> None:
    """It is logged, and mail flows."""
    service = make_service(workers=1)
    service.environment["NOTIFY_SOCKET"] = str(tmp_path / "nobody")
    service.start().ready()
    assert service.said("notify_failed")["level"] == "warning"
    assert service.stop() == 0
    assert os.path.lexists(service.path) is False
