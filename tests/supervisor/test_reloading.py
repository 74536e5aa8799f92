"""A reload reaches the next message of every session, or changes nothing."""

import asyncio
import os
import signal
from typing import Any

import pytest

from lab.process import wait_for
from tests.supervisor.conftest import MakeService
from tests.supervisor.mta import Mta, Stamp
from tests.supervisor.service import Service


def reload(service: Service, event: str = "reloaded", count: int = 1) -> dict[str, Any]:
    """Send HUP, and wait for what comes of it."""
    service.signal(signal.SIGHUP)
    return service.said(event, count)


async def stamp(service: Service) -> Stamp:
    async with Mta(service.address) as mta:
        return await (await mta.open()).message()


def files(service: Service, what: str) -> set[str]:
    return {path.name.removeprefix(f"{what}-") for path in service.directory.glob(f"{what}-*")}


def test_the_next_message_of_an_open_session_meets_the_new_configuration(service: Service) -> None:
    """Without a new connection; a message that is under way is finished under the old one."""

    async def story() -> None:
        async with Mta(service.address) as mta:
            idle, busy = [await mta.open() for _ in range(2)]
            await busy.begin()
            before = await idle.message()
            assert before.mode == "observe"
            service.configure("enforce")
            await asyncio.to_thread(reload, service)
            assert (await busy.finish()).mode == "observe"
            assert (await idle.message()).mode == "enforce"
            assert (await busy.message()).mode == "enforce"

    asyncio.run(story())
    assert len(service.workers()) == 2
    assert len(service.events("child_started")) == 2


def test_an_old_runtime_is_closed_when_its_last_message_is_over(make_service: MakeService) -> None:
    """Not before: the application under test answers 451 if a closed runtime is used."""
    service = make_service(workers=1).start().ready()
    (worker,) = service.workers()

    async def story() -> None:
        async with Mta(service.address) as mta:
            session = await mta.open()
            await session.begin()
            for round_ in (1, 2):
                await asyncio.to_thread(reload, service, "reloaded", round_)
            # The runtime in between had no user, so its end shows that the first one would have been closed by now.
            await asyncio.to_thread(wait_for, lambda: files(service, "closed"), "the unused runtime to be closed")
            assert files(service, "closed") == {f"{worker}-2"}
            assert (await session.finish()).number == 1
            assert (await session.message()).number == 3
            await asyncio.to_thread(
                wait_for, lambda: f"{worker}-1" in files(service, "closed"), "the old runtime to be closed"
            )

    asyncio.run(story())
    assert service.stop() == 0
    assert files(service, "closed") == files(service, "opened") == {f"{worker}-{number}" for number in (1, 2, 3)}


def test_a_session_that_ends_gives_back_its_runtime(make_service: MakeService) -> None:
    """Also when the MTA vanishes in the middle of a message."""
    service = make_service(workers=1).start().ready()
    (worker,) = service.workers()

    async def story() -> None:
        async with Mta(service.address) as mta:
            await (await mta.open()).begin()
            await asyncio.to_thread(reload, service)

    asyncio.run(story())
    wait_for(lambda: files(service, "closed") == {f"{worker}-1"}, "the old runtime to be closed")


def test_a_wrong_configuration_changes_nothing_and_every_problem_is_logged(service: Service) -> None:
    """Neither the supervisor nor a worker takes any of it."""
    service.configure("enforce", workers=0, drain="never")
    service.signal(signal.SIGHUP)
    service.said("reload_failed", 2)
    problems = " ".join(entry["problem"] for entry in service.events("reload_failed"))
    assert "milter.workers" in problems
    assert "milter.drain" in problems
    assert asyncio.run(stamp(service)).mode == "observe"
    service.configure("enforce", workers=2, drain=10)
    reload(service)
    assert asyncio.run(stamp(service)).mode == "enforce"


@pytest.mark.parametrize(
    ("obstacle", "reason"),
    [("refuse", "the key file is damaged"), ("break", "a fault of ours: ZeroDivisionError('a fault in build')")],
)
def test_a_worker_that_cannot_use_the_new_configuration_keeps_the_old(
    service: Service, obstacle: str, reason: str
) -> None:
    """It says why, serves on, and a worker that is started later begins with the old one as well."""
    (service.directory / obstacle).write_text("the key file is damaged")
    service.configure("enforce")
    reload(service, "reload_failed")
    assert [entry["reason"] for entry in service.events("reload_refused")] == [reason] * 2
    assert asyncio.run(stamp(service)).mode == "observe"
    (service.directory / obstacle).unlink()
    os.kill(service.workers()[0], signal.SIGKILL)
    service.said("child_ready", 3)
    assert {asyncio.run(stamp(service)).mode for _ in range(30)} == {"observe"}


def test_a_worker_that_starts_after_a_reload_begins_with_the_new_configuration(service: Service) -> None:
    """The one that replaces a dead worker is no different from the others."""
    service.configure("enforce")
    reload(service)
    os.kill(service.workers()[0], signal.SIGKILL)
    service.said("child_ready", 3)
    assert {asyncio.run(stamp(service)).mode for _ in range(30)} == {"enforce"}


def test_a_reload_while_a_worker_is_being_started_reaches_it(make_service: MakeService) -> None:
    """Whether it started with the old configuration or with the new one, it ends with the new one."""
    service = make_service(workers=3).start().ready()

    async def story() -> None:
        for pid in service.workers():
            os.kill(pid, signal.SIGKILL)
            service.configure("enforce")
            await asyncio.to_thread(reload, service, "reloaded", len(service.events("reloaded")) + 1)
        await asyncio.to_thread(service.said, "child_ready", 6)

    asyncio.run(story())
    wait_for(lambda: len(service.workers()) == 3, "three workers")
    assert {asyncio.run(stamp(service)).mode for _ in range(40)} == {"enforce"}


def test_more_or_fewer_workers_come_with_a_reload(service: Service) -> None:
    """New ones serve before the reload is over; those too many drain."""
    first = set(service.workers())
    service.configure(workers=4)
    assert reload(service)["children"] == {"milter": 4}
    assert first < set(service.workers())
    assert len(service.workers()) == 4
    service.configure(workers=1)
    reload(service, count=2)
    service.said("child_left", 3)
    assert [entry["cut"] for entry in service.events("child_left")] == [0, 0, 0]
    assert asyncio.run(stamp(service)).pid == service.workers()[0]


def test_a_change_of_the_socket_needs_a_restart_and_says_so(service: Service) -> None:
    """The old one is served on."""
    before = service.address
    service.configure(socket=f"unix:{service.directory}/other.sock")
    reload(service)
    assert "milter.socket" in service.said("restart_needed")["reason"]
    assert service.path.exists() is False
    service.configure(socket=str(before))
    assert asyncio.run(stamp(service)).pid in service.workers()


def test_the_drain_that_holds_is_the_latest_one(make_service: MakeService) -> None:
    """A reload changes how long a worker waits, also if its supervisor is killed."""
    service = make_service(workers=1, drain=60).start().ready()
    service.configure(drain=0.5)
    reload(service)

    async def story() -> None:
        async with Mta(service.address) as mta:
            await mta.open()
            service.process.kill()
            await asyncio.to_thread(wait_for, lambda: not service.workers(), "the worker to leave")

    asyncio.run(story())
