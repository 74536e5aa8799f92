"""The life of a web or intake process, seen from its control channel: what goes wrong in it, and how it leaves."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from consentmilter import serving
from consentmilter.control import (
    Answer,
    Configure,
    Drain,
    Drained,
    Order,
    Ready,
    Refused,
    Reload,
    Reloaded,
    order_line,
    parse_answer,
)
from consentmilter.errors import KeyFileError
from consentmilter.serving import DRAINED, FAULT, UNUSABLE, Current, serve


class Application:
    """Built of a configuration that says what goes wrong."""

    def __init__(self) -> None:
        self.log: list[str] = []

    @asynccontextmanager
    async def build(self, config: str) -> AsyncIterator[str]:
        match config:
            case "refuse":
                raise KeyFileError("no key file")
            case "hang":
                await asyncio.Event().wait()
        self.log.append(f"open {config}")
        yield config
        self.log.append(f"close {config}")
        if config == "stuck":
            raise OSError("cannot be closed")


class Doors:
    """A face with so many connections."""

    def __init__(self, current: Current[str]) -> None:
        self.current = current
        self.open_connections = 0
        self.closed = False

    async def open(self) -> None:
        return

    async def close(self) -> None:
        self.closed = True

    def connections(self) -> int:
        return self.open_connections


class Supervisor:
    """The other end of the channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, life: asyncio.Task[int]) -> None:
        self._reader = reader
        self._writer = writer
        self.life = life
        self.doors: list[Doors] = []

    async def say(self, order: Order) -> None:
        self._writer.write(order_line(order))

    async def hear(self) -> Answer:
        async with asyncio.timeout(30):
            return parse_answer(await self._reader.readline())

    def hang_up(self) -> None:
        self._writer.close()


def live(story: Callable[[Supervisor], Awaitable[None]]) -> tuple[int, list[str]]:
    """Run a child to its end against this story; its exit code, and what became of its applications."""
    application = Application()

    async def run() -> int:
        theirs, ours = socket.socketpair()
        doors: list[Doors] = []

        def face(current: Current[str]) -> Doors:
            doors.append(Doors(current))
            return doors[0]

        life = asyncio.create_task(serve(theirs.detach(), application.build, face))
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        supervisor = Supervisor(reader, writer, life)
        supervisor.doors = doors
        try:
            await story(supervisor)
            async with asyncio.timeout(30):
                return await life
        finally:
            writer.close()

    return asyncio.run(run()), application.log


async def begin(supervisor: Supervisor, config: str = "one", drain: float = 5.0) -> None:
    await supervisor.say(Configure(config, drain))
    assert await supervisor.hear() == Ready()


def test_a_process_opens_serves_and_closes() -> None:
    """The last word comes when everything is closed."""

    async def story(supervisor: Supervisor) -> None:
        await begin(supervisor)
        await supervisor.say(Drain(5.0))
        assert await supervisor.hear() == Drained(cut=0)
        assert supervisor.doors[0].closed

    assert live(story) == (DRAINED, ["open one", "close one"])


def test_the_end_of_the_channel_before_the_first_word_is_no_fault() -> None:
    """The supervisor changed its mind."""

    async def story(supervisor: Supervisor) -> None:
        supervisor.hang_up()

    assert live(story) == (DRAINED, [])


def test_the_first_word_is_a_configuration() -> None:
    """Anything else is a fault of ours."""

    async def story(supervisor: Supervisor) -> None:
        await supervisor.say(Drain(1.0))

    assert live(story) == (FAULT, [])


@pytest.mark.parametrize(("config", "reason"), [("refuse", "no key file"), ("hang", "not ready within 0.2 seconds")])
def test_what_cannot_be_built_is_refused_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, config: str, reason: str
) -> None:
    """Also what takes for ever, or nobody could end a process whose supervisor is gone."""
    monkeypatch.setattr(serving, "BUILD_WITHIN", 0.2)

    async def first(supervisor: Supervisor) -> None:
        await supervisor.say(Configure(config, 5.0))
        assert await supervisor.hear() == Refused(reason)

    async def later(supervisor: Supervisor) -> None:
        await begin(supervisor)
        await supervisor.say(Reload(7, config, 5.0))
        assert await supervisor.hear() == Refused(reason, 7)
        with supervisor.doors[0].current.lease() as application:
            assert application == "one"
        supervisor.hang_up()

    assert live(first) == (UNUSABLE, [])
    assert live(later) == (DRAINED, ["open one", "close one"])


def test_the_old_application_is_closed_when_its_last_user_has_ended() -> None:
    """Those in between too; the end closes whatever is left."""

    async def story(supervisor: Supervisor) -> None:
        await begin(supervisor)
        with supervisor.doors[0].current.lease() as application:
            for number, config in enumerate(("two", "three")):
                await supervisor.say(Reload(number, config, 5.0))
                assert await supervisor.hear() == Reloaded(number)
            assert application == "one"
        supervisor.hang_up()

    assert live(story) == (DRAINED, ["open one", "open two", "open three", "close two", "close one", "close three"])


def test_one_that_cannot_be_closed_does_not_keep_the_process() -> None:
    """It is logged, with its traceback."""

    async def story(supervisor: Supervisor) -> None:
        await begin(supervisor, "stuck")
        supervisor.hang_up()

    with capture_logs() as logged:
        assert live(story)[0] == DRAINED
    assert [event["event"] for event in logged] == ["runtime_not_closed"]


def test_a_drain_can_be_shortened_and_says_what_it_cut() -> None:
    """Never lengthened."""

    async def story(supervisor: Supervisor) -> None:
        await begin(supervisor)
        supervisor.doors[0].open_connections = 3
        for seconds in (60.0, 0.2, 60.0):
            await supervisor.say(Drain(seconds))
        assert await supervisor.hear() == Drained(cut=3)

    assert live(story)[0] == DRAINED
