"""The web and the intake process beside the milter's: start, reload, replacement, death and drain, with real ones."""

import asyncio
import os
import signal
import smtplib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab.ports import free_port
from lab.process import wait_for
from tests.supervisor.conftest import MakeService
from tests.supervisor.http_client import HttpClient, Reply, get
from tests.supervisor.mta import Mta, Stamp
from tests.supervisor.service import COMMAND, Service, alive


@pytest.fixture
def all_roles(make_service: MakeService) -> Service:
    """A service with one milter worker, the web process with both listeners, and the intake, ready."""
    return everything(make_service(workers=1)).start().ready()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same, for tests that leave it as it was."""
    with Service(tmp_path_factory.mktemp("shared"), workers=1) as service:
        yield everything(service).start().ready()


def everything(service: Service) -> Service:
    return service.serves(
        web={"listen": f"127.0.0.1:{free_port()}"},
        api={"listen": f"unix:{service.directory}/api.sock"},
        intake={"socket": f"unix:{service.directory}/intake.sock", "socket_group": None},
    )


def page(service: Service) -> str:
    return str(service.sections["web"]["listen"])


def mail(service: Service) -> Stamp:
    async def send() -> Stamp:
        async with Mta(service.address) as mta:
            return await (await mta.open()).message()

    return asyncio.run(send())


class Lmtp(smtplib.LMTP):
    """A session with the intake, as Postfix's lmtp(8) has one."""

    def __init__(self, service: Service) -> None:
        super().__init__(f"{service.directory}/intake.sock", local_hostname="test.example", timeout=20)
        self.lhlo = self.ehlo

    def deliver(self) -> Stamp:
        """One mail; who took it."""
        self.ehlo_or_helo_if_needed()
        self.mail("sender@test.example")
        self.rcpt("rcpt@test.example")
        code, text = self.data(b"Subject: test\r\n\r\ntext\r\n")
        assert code == 250
        pid, mode, number = text.decode().split()
        return Stamp(int(pid), mode, int(number))


def test_each_role_that_is_set_up_runs_in_a_process_of_its_own(all_roles: Service) -> None:
    """The mail path and the public web face share nothing; pages and API are one process with two listeners."""
    with Lmtp(all_roles) as lmtp:
        pids = {mail(all_roles).pid, get(page(all_roles)).pid, lmtp.deliver().pid}
    assert pids == set(all_roles.workers())
    assert len(pids) == 3
    api = get(all_roles.directory / "api.sock")
    assert (api.text.split()[0], api.pid) == ("api", get(page(all_roles)).pid)
    assert all_roles.said("ready")["children"] == {"milter": 1, "web": 1, "intake": 1}
    assert {entry["name"] for entry in all_roles.events("listening")} == {"milter", "web", "api", "intake"}
    assert all_roles.stop() == 0
    assert [entry["cut"] for entry in all_roles.events("child_left")] == [0, 0, 0]
    assert not list(all_roles.directory.glob("*.sock"))


def test_the_intakes_socket_has_the_configured_mode_and_the_web_sides_is_open(shared: Service) -> None:
    """Who may reach the web side says the directory, as with a port on loopback."""
    assert (shared.directory / "intake.sock").stat().st_mode & 0o777 == 0o660
    assert (shared.directory / "api.sock").stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize("role", ["web", "intake"])
def test_one_role_runs_alone(make_service: MakeService, role: str) -> None:
    """Neither the sockets nor the processes of the others are there."""
    service = everything(make_service()).start((*COMMAND, role)).ready()
    assert service.workers() == service.workers(role)
    assert not service.path.exists()
    assert (service.directory / "intake.sock").exists() is (role == "intake")
    assert service.stop() == 0


def test_a_role_that_is_not_set_up_cannot_be_run(make_service: MakeService) -> None:
    """Exit code 2, and the reason."""
    service = make_service().start((*COMMAND, "web", "intake"))
    assert service.end() == 2
    assert "intake.socket is not set" in service.events("config_wrong")[0]["problem"]
    assert "web.listen or api.listen is not set" in service.events("config_wrong")[1]["problem"]


def test_a_web_process_that_cannot_work_does_not_hinder_the_mail(make_service: MakeService) -> None:
    """It is tried again, and serves once the cause is gone."""
    service = everything(make_service(workers=1))
    (service.directory / "web-refuse").write_text("there is no such logo")
    service.start().ready()
    assert service.said("child_refused")["reason"] == "there is no such logo"
    assert mail(service).pid in service.workers("milter")
    (service.directory / "web-refuse").unlink()
    wait_for(lambda: "web" in {entry["role"] for entry in service.events("child_ready")}, "the web process")
    assert get(page(service)).status == 200


def test_alone_it_ends_the_start_with_its_reason(make_service: MakeService) -> None:
    """There is no mail that would have to wait."""
    service = everything(make_service())
    (service.directory / "web-refuse").write_text("there is no such logo")
    assert service.start((*COMMAND, "web")).end() == 3
    assert service.said("cannot_start")["reason"] == "there is no such logo"


@pytest.mark.parametrize("role", ["web", "intake"])
def test_a_killed_process_is_replaced_and_the_others_go_on(all_roles: Service, role: str) -> None:
    """What connects meanwhile waits in the queue of the socket and is answered."""
    milter = all_roles.workers("milter")
    (victim,) = all_roles.workers(role)
    os.kill(victim, signal.SIGKILL)
    assert mail(all_roles).pid in milter
    assert get(page(all_roles)).status == 200
    with Lmtp(all_roles) as lmtp:
        assert lmtp.deliver().pid == all_roles.workers("intake")[0]
    died = all_roles.said("child_died")
    assert (died["role"], died["pid"], died["signal"]) == (role, victim, signal.SIGKILL)
    assert all_roles.workers("milter") == milter


def test_signals_that_are_meant_for_all_do_not_end_a_process(shared: Service) -> None:
    """They are the supervisor's business."""
    before = shared.workers()
    for pid in before:
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            os.kill(pid, number)
    assert get(page(shared)).pid in before
    assert shared.workers() == before


def reload(service: Service, mode: str, event: str = "reloaded", count: int = 1) -> dict[str, Any]:
    service.configure(mode)
    service.signal(signal.SIGHUP)
    return service.said(event, count)


def test_a_reload_reaches_all_roles_without_a_new_process(all_roles: Service) -> None:
    """The next request and the next session meet it; an LMTP session keeps what it began with."""
    before = all_roles.workers()
    with Lmtp(all_roles) as old:
        assert old.deliver().mode == "observe"
        reload(all_roles, "enforce")
        assert (mail(all_roles).mode, get(page(all_roles)).mode) == ("enforce", "enforce")
        with Lmtp(all_roles) as new:
            assert new.deliver().mode == "enforce"
        assert old.deliver().mode == "observe"
    assert all_roles.workers() == before
    (pid,) = all_roles.workers("intake")
    wait_for((all_roles.directory / f"intake-closed-{pid}-1").exists, "the old application to be closed")


async def ask_slowly(service: Service) -> Reply:
    """A request that is answered once the test says so."""
    async with HttpClient(page(service)) as client:
        return await client.get("/slow")


def test_an_old_application_is_closed_when_its_last_request_has_ended(all_roles: Service) -> None:
    """Not before: one that is used when it is closed answers with a fault."""
    (pid,) = all_roles.workers("web")
    opened, closed = (all_roles.directory / f"web-{what}-{pid}-1" for what in ("opened", "closed"))

    async def story() -> Reply:
        slow = asyncio.create_task(ask_slowly(all_roles))
        await asyncio.to_thread(wait_for, (all_roles.directory / "web-slow").exists, "the request")
        await asyncio.to_thread(reload, all_roles, "enforce")
        await asyncio.to_thread(reload, all_roles, "enforce", "reloaded", 2)
        await asyncio.to_thread(wait_for, (closed.parent / f"web-closed-{pid}-2").exists, "the one in between to close")
        assert not closed.exists()
        (all_roles.directory / "go").touch()
        return await slow

    assert opened.exists()
    assert asyncio.run(story()).mode == "observe"
    wait_for(closed.exists, "the old application to be closed")
    assert all_roles.events("application_failed") == []


@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [("refuse", "the key file is damaged"), ("break", "a fault of ours: ZeroDivisionError('a fault in build')")],
)
def test_a_process_that_cannot_use_the_new_configuration_keeps_the_old(
    all_roles: Service, obstacle: str, reason: str
) -> None:
    """It says why and serves on; one that follows it begins with the old one as well."""
    (all_roles.directory / f"web-{obstacle}").write_text("the key file is damaged")
    assert "no web process" in reload(all_roles, "enforce", "reload_failed")["problem"]
    assert all_roles.said("reload_refused")["reason"] == reason
    assert get(page(all_roles)).mode == "observe"
    assert mail(all_roles).mode == "enforce"
    (all_roles.directory / f"web-{obstacle}").unlink()
    os.kill(all_roles.workers("web")[0], signal.SIGKILL)
    all_roles.said("child_ready", 4)
    assert get(page(all_roles)).mode == "observe"


def test_a_role_that_is_switched_on_needs_a_restart_and_says_so(make_service: MakeService) -> None:
    """Nothing is half-done: the milter reloads, and the rest waits."""
    service = make_service(workers=1).start().ready()
    service.serves(intake={"socket": f"unix:{service.directory}/intake.sock", "socket_group": None})
    reload(service, "enforce")
    assert service.said("restart_needed")["reason"] == "intake.socket was switched on"
    assert mail(service).mode == "enforce"
    assert not (service.directory / "intake.sock").exists()


def test_a_role_that_is_switched_off_serves_on_until_the_restart(all_roles: Service) -> None:
    """As it was."""
    address = page(all_roles)
    del all_roles.sections["web"], all_roles.sections["api"]
    reload(all_roles, "enforce")
    assert all_roles.said("restart_needed")["reason"] == "the role web was switched off"
    assert get(address).mode == "observe"


def test_an_api_that_is_switched_off_answers_so_until_the_restart(all_roles: Service) -> None:
    """Its listener is still there, and what it would hand requests to is not."""
    del all_roles.sections["api"]
    reload(all_roles, "enforce")
    assert get(all_roles.directory / "api.sock").status == 503
    assert get(page(all_roles)).status == 200


def test_a_request_that_runs_is_finished_before_the_process_leaves(all_roles: Service) -> None:
    """And so is a connection that has sent nothing yet: a request may be on its way."""

    async def story() -> None:
        async with HttpClient(page(all_roles)) as early, HttpClient(page(all_roles)) as late:
            await early.connect()
            slow = asyncio.create_task(ask_slowly(all_roles))
            await asyncio.to_thread(wait_for, (all_roles.directory / "web-slow").exists, "the request")
            all_roles.signal(signal.SIGTERM)
            await asyncio.to_thread(all_roles.said, "child_left", 2)  # of the milter and the intake
            (all_roles.directory / "go").touch()
            assert (await slow).headers["connection"] == "close"
            assert (await early.get()).headers["connection"] == "close"
            with pytest.raises(ConnectionRefusedError):
                await late.connect()

    asyncio.run(story())
    assert all_roles.end() == 0
    assert [entry["cut"] for entry in all_roles.events("child_left")] == [0, 0, 0]


def test_a_session_that_does_not_end_is_cut_when_the_time_is_over(make_service: MakeService) -> None:
    """A second TERM shortens it to five seconds."""
    service = everything(make_service(workers=1, drain=60)).start().ready()
    with Lmtp(service) as lmtp:
        lmtp.deliver()
        service.signal(signal.SIGTERM)
        service.said("stopping")
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        assert service.end(within=60) == 0
        assert 4.5 <= time.monotonic() - began < 50
        lmtp.close()
    cut = {entry["role"]: entry["cut"] for entry in service.events("child_left")}
    assert cut == {"milter": 0, "web": 0, "intake": 1}


def test_the_processes_of_a_killed_supervisor_finish_and_leave(all_roles: Service) -> None:
    """Nothing is left that nobody can stop."""

    async def story() -> Reply:
        slow = asyncio.create_task(ask_slowly(all_roles))
        await asyncio.to_thread(wait_for, (all_roles.directory / "web-slow").exists, "the request")
        all_roles.process.kill()
        await asyncio.to_thread(wait_for, lambda: all_roles.workers() == all_roles.workers("web"), "the idle ones")
        (all_roles.directory / "go").touch()
        return await slow

    reply = asyncio.run(story())
    assert reply.status == 200
    wait_for(lambda: not alive(reply.pid), "the web process to leave")
    assert (all_roles.directory / f"web-closed-{reply.pid}-1").exists()


def test_sessions_beyond_the_bound_of_the_intake_are_sent_away_for_later(shared: Service) -> None:
    """Postfix keeps the mail and comes again; those that are open go on."""
    with Lmtp(shared) as lmtp:
        lmtp.deliver()
        others = [socket.socket(socket.AF_UNIX) for _ in range(100)]
        try:
            greetings = []
            for other in others:
                other.settimeout(20)
                other.connect(f"{shared.directory}/intake.sock")
                greetings.append(other.recv(1000)[:4])
            assert greetings == [b"220 "] * 99 + [b"421 "]
            assert lmtp.deliver().pid in shared.workers("intake")
        finally:
            for other in others:
                other.close()
