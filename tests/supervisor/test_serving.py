"""Workers serve the one socket, and what dies is replaced."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from consentmilter.milter.callbacks import ACTIONS
from lab.milter_protocol import REPLYCODE, Action
from lab.ports import free_port
from lab.process import wait_for
from tests.supervisor.conftest import MakeService
from tests.supervisor.mta import LostError, Mta, MtaSession, Stamp
from tests.supervisor.service import Service


async def messages(service: Service, sessions: int) -> list[Stamp]:
    """One message over each of so many sessions, all open at once."""
    async with Mta(service.address) as mta:
        opened = [await mta.open() for _ in range(sessions)]
        return await asyncio.gather(*(session.message() for session in opened))


def test_all_workers_serve_the_one_socket(service: Service) -> None:
    """Sessions are shared out among the workers that were started, and no others."""
    stamps = asyncio.run(messages(service, 60))
    assert {stamp.pid for stamp in stamps} == set(service.workers())
    assert len(service.workers()) == 2


@pytest.mark.parametrize("form", ["inet:127.0.0.1:{}", "inet:{}@127.0.0.1", "inet6:[::1]:{}"])
def test_tcp_sockets_are_served_as_well(make_service: MakeService, form: str) -> None:
    """In Postfix's notation and in libmilter's, over IPv4 and IPv6."""
    service = make_service(socket=form.format(free_port())).start().ready()
    assert {stamp.pid for stamp in asyncio.run(messages(service, 20))} <= set(service.workers())
    assert service.stop() == 0


def test_only_the_actions_that_are_needed_are_negotiated(service: Service) -> None:
    """The MTA offers all; macros may be chosen."""

    async def negotiate() -> MtaSession:
        async with Mta(service.address) as mta:
            return await mta.open()

    session = asyncio.run(negotiate())
    assert session.actions.value == ACTIONS
    assert not session.actions & (Action.CHGBODY | Action.ADDRCPT_PAR)
    assert b"{daemon_name} {client_addr}\0" in session.macros


def test_a_session_that_cannot_be_negotiated_is_hung_up_on(service: Service) -> None:
    """pymilter would go on with no reply to RCPT, and every refusal would be lost."""
    (service.directory / "misled").touch()
    with pytest.raises(LostError):
        asyncio.run(messages(service, 1))
    assert service.said("negotiation_failed")["level"] == "error"


def test_an_exception_in_a_callback_defers(service: Service) -> None:
    """Whatever goes wrong in a session is answered 4xx, and the session goes on."""

    async def dialogue() -> tuple[bytes, Stamp]:
        async with Mta(service.address) as mta:
            session = await mta.open()
            return await session.begin("<exception@test.example>"), await session.message()

    answer, stamp = asyncio.run(dialogue())
    assert answer.startswith(REPLYCODE + b"451 4.3.0 ")
    assert stamp.pid in service.workers()


def test_a_killed_worker_is_replaced_and_the_others_go_on(service: Service) -> None:
    """Sessions of the other worker notice nothing; a new worker serves beside it."""

    async def story() -> None:
        async with Mta(service.address) as mta:
            sessions = [await mta.open() for _ in range(40)]
            stamps = [await session.message() for session in sessions]
            victim = stamps[0].pid
            os.kill(victim, signal.SIGKILL)
            for session, stamp in zip(sessions, stamps, strict=True):
                if stamp.pid == victim:
                    with pytest.raises(LostError):
                        await session.message()
                else:
                    assert (await session.message()).pid == stamp.pid
            await asyncio.to_thread(service.said, "child_ready", 3)
            assert victim not in service.workers()

    asyncio.run(story())
    died = service.said("child_died")
    assert (died["role"], died["signal"], died["level"]) == ("milter", signal.SIGKILL, "error")
    assert {stamp.pid for stamp in asyncio.run(messages(service, 60))} == set(service.workers())


def test_a_worker_that_dies_young_is_started_again_after_a_growing_pause(make_service: MakeService) -> None:
    """It is not given up, and the service becomes ready once the cause is gone."""
    service = make_service(workers=1)
    (service.directory / "die").touch()
    service.start()
    service.said("child_restarts", 2)
    assert [entry["seconds"] for entry in service.events("child_restarts")] == [1.0, 2.0]
    assert {entry["code"] for entry in service.events("child_died")} == {7}
    (service.directory / "die").unlink()
    service.ready()
    assert service.stop() == 0


def test_a_worker_that_cannot_work_ends_the_start_with_its_reason(make_service: MakeService) -> None:
    """Exit code 3, the reason in the log, and no socket left that nobody serves."""
    service = make_service()
    (service.directory / "refuse").write_text("/etc/keys.yaml: there is no such file")
    assert service.start().end() == 3
    assert service.said("cannot_start")["reason"] == "/etc/keys.yaml: there is no such file"
    assert not service.path.exists()
    assert service.workers() == []


def test_the_start_ends_at_a_wrong_configuration(make_service: MakeService) -> None:
    """Exit code 2, with every problem in the log."""
    service = make_service(workers=0, drain="never")
    assert service.start().end() == 2
    problems = " ".join(entry["problem"] for entry in service.events("config_wrong"))
    assert "milter.workers" in problems
    assert "milter.drain" in problems


def test_signals_that_are_meant_for_all_do_not_end_a_worker(service: Service) -> None:
    """A terminal's or an init system's HUP, INT and USR1 are the supervisor's business."""
    workers = service.workers()
    for pid in workers:
        os.kill(pid, signal.SIGUSR1)
    assert asyncio.run(messages(service, 20))
    assert service.workers() == workers
    assert os.getsid(workers[0]) == workers[0]


def test_nothing_is_left_in_the_temporary_directory(service: Service) -> None:
    """Neither libmilter's throwaway socket nor the private listener of a drain."""
    assert list(service.temporary.iterdir()) == []
    service.signal(signal.SIGUSR1)
    service.said("replaced")
    wait_for(lambda: len(service.events("child_left")) == 2, "old workers to leave")
    assert list(service.temporary.iterdir()) == []
    assert service.stop() == 0
    assert list(service.temporary.iterdir()) == []


def test_a_worker_holds_the_listener_under_one_descriptor(service: Service) -> None:
    """So that putting another one over it is the end of listening."""
    of_supervisor = set(sockets(service.process.pid))
    for pid in service.workers():
        assert len([link for link in sockets(pid) if link in of_supervisor]) == 1


def sockets(pid: int) -> list[str]:
    """The sockets of a process, one for each descriptor."""
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return [link for link in links if link.startswith("socket:")]
