"""The asyncio end of a child's life: what the web and the intake process have in common.

Started by the supervisor with the descriptors of its sockets and of the control channel. The process builds its
application from the configuration that comes over the channel and serves; on a reload it builds the new one beside
the old, swaps them, and closes the old one when its last user has ended. Told to drain, or at the end of the channel,
it accepts no more, finishes what is running, and leaves in time. Nothing signals it. Exit codes: 0 drained, 3 the
configuration cannot be used (the reason goes over the channel), 4 a fault of ours.
"""

import asyncio
import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from consentmilter import log
from consentmilter.config import Config
from consentmilter.control import (
    AsyncChannel,
    Configure,
    Drain,
    Drained,
    EndOfChannelError,
    Order,
    Ready,
    Refused,
    Reload,
    Reloaded,
)
from consentmilter.errors import ChildError, ConsentMilterError, ControlError

DRAINED, UNUSABLE, FAULT = 0, 3, 4

BUILD_WITHIN = 45.0
"""An application that is not built by then is given up: sooner than the supervisor gives up the process."""
CLOSE_WITHIN = 4.0
"""What applications may take to flush and close at the end, less than the supervisor waits beyond the drain."""
DRAIN_TICK = 0.05
"""How often a draining process counts its connections."""

_log = log.get()

T = TypeVar("T")
Build = Callable[[str], AbstractAsyncContextManager[T]]
"""Makes an application from a configuration, as JSON. Raises `ConsentMilterError` with a message if it cannot be."""


def builder(module: str) -> Build[Any]:
    """Make an application with the `build(config)` of this module, once the log is as the configuration wants it."""
    make: Callable[[Config], AbstractAsyncContextManager[Any]] = importlib.import_module(module).build

    @asynccontextmanager
    async def build(config_json: str) -> AsyncIterator[Any]:
        config = Config.model_validate_json(config_json)
        log.configure(config.log.format, config.log.level)
        async with make(config) as application:
            yield application

    return build


class Face(Protocol):
    """What takes the connections, and lends each of them, or each of their requests, the current application."""

    async def open(self) -> None:
        """Accept connections."""

    async def close(self) -> None:
        """Accept no more; open connections go on to their end. May be called again."""

    def connections(self) -> int:
        """How many are open."""


class Runtime(Generic[T]):
    """One application, from the configuration that it is built of until its last user has ended.

    A task of its own opens and closes it: what an application opens may insist on being closed by the same task.
    """

    def __init__(self, build: Build[T], config: str) -> None:
        self._application: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()
        self._users = 0
        self._retired = False
        self.life = asyncio.create_task(self._live(build, config))

    async def built(self) -> None:
        """Wait until it can be used; raises what building it raised, `ChildError` if it took too long."""
        await asyncio.wait({self._application}, timeout=BUILD_WITHIN)
        if not self._application.done():
            self.life.cancel()
            raise ChildError(f"not ready within {BUILD_WITHIN:g} seconds")
        self._application.result()

    @contextmanager
    def lease(self) -> Iterator[T]:
        """Use it, and keep it open meanwhile."""
        self._users += 1
        try:
            yield self._application.result()
        finally:
            self._users -= 1
            self._end_if_unused()

    def retire(self) -> None:
        """Close it as soon as nobody uses it."""
        self._retired = True
        self._end_if_unused()

    def end(self) -> None:
        """Close it, used or not."""
        self._over.set()

    def _end_if_unused(self) -> None:
        if self._retired and self._users == 0:
            self._over.set()

    async def _live(self, build: Build[T], config: str) -> None:
        try:
            async with build(config) as application:
                self._application.set_result(application)
                await self._over.wait()
        except Exception as error:  # noqa: BLE001 - the edge to the application
            if not self._application.done():
                self._application.set_exception(error)
                return
            # One that cannot be closed must not keep the others from being flushed.
            _log.exception("runtime_not_closed")


class Current(Generic[T]):
    """The runtime that new requests meet, and those before it that still have users."""

    def __init__(self, runtime: Runtime[T]) -> None:
        self._runtime = runtime
        self._open = {runtime}

    @contextmanager
    def lease(self) -> Iterator[T]:
        """Use the application of now, whatever comes after it."""
        with self._runtime.lease() as application:
            yield application

    def swap(self, runtime: Runtime[T]) -> None:
        """From now on, this one."""
        before, self._runtime = self._runtime, runtime
        self._open = {each for each in self._open if not each.life.done()} | {runtime}
        before.retire()

    async def close(self) -> None:
        """Close all, used or not: the process ends."""
        for runtime in self._open:
            runtime.end()
        await asyncio.wait({runtime.life for runtime in self._open}, timeout=CLOSE_WITHIN)


class Serving(Generic[T]):
    """Serves one control channel, next to the connections."""

    def __init__(
        self, channel: AsyncChannel, build: Build[T], current: Current[T], face: Face, order: Configure
    ) -> None:
        self._channel = channel
        self._build = build
        self._current = current
        self._face = face
        self._drain = order.drain
        self._deadline: float | None = None
        self._ended = False

    async def serve(self) -> None:
        """Obey until there is nothing left to do; then everything is flushed."""
        await self._face.open()
        await self._channel.send(Ready())
        while not await self._obeyed(await self._next_order()):
            pass
        cut = self._face.connections()
        await self._current.close()
        await self._channel.send(Drained(cut=cut))

    async def _next_order(self) -> Order | None:
        tick = DRAIN_TICK if self._deadline is not None else None
        if self._ended:
            await asyncio.sleep(DRAIN_TICK)
            return None
        try:
            return await self._channel.receive(tick)
        except EndOfChannelError:
            self._ended = True
            return Drain(self._drain)
        except ControlError as error:
            _log.error("control_message_unreadable", error=str(error))
            return None

    async def _obeyed(self, order: Order | None) -> bool:
        """Do it; whether all is done."""
        match order:
            case None:
                return self._done()
            case Reload():
                await self._reload(order)
            case Drain(seconds=seconds):
                deadline = time.monotonic() + seconds
                self._deadline = deadline if self._deadline is None else min(deadline, self._deadline)
                await self._face.close()
            case Configure():
                _log.error("control_message_unexpected", kind=order.kind)
        return False

    def _done(self) -> bool:
        if self._deadline is None:
            return False
        return self._face.connections() == 0 or time.monotonic() >= self._deadline

    async def _reload(self, order: Reload) -> None:
        runtime = Runtime(self._build, order.config)
        try:
            await runtime.built()
        except ConsentMilterError as error:
            await self._channel.send(Refused(str(error), order.number))
            return
        except Exception as error:  # noqa: BLE001 - the edge to the application
            # A fault of ours there must not cost the requests that the old application serves.
            _log.exception("runtime_not_built")
            await self._channel.send(Refused(f"a fault of ours: {error!r}", order.number))
            return
        self._drain = order.drain
        self._current.swap(runtime)
        await self._channel.send(Reloaded(order.number))


async def stop_accepting(server: asyncio.Server) -> None:
    """Let `server` accept no more, without a loss; what waits in the queue is left to whoever else has the socket.

    `Server.close` alone would drop what the loop accepted in its turn before: a connection that has no transport yet
    fails an assertion in `Server._attach`, and is closed without a word.
    """
    for sock in server.sockets:
        asyncio.get_running_loop().remove_reader(sock.fileno())
    await asyncio.sleep(DRAIN_TICK)
    server.close()


async def serve(control_fd: int, build: Build[T], face: Callable[[Current[T]], Face]) -> int:
    """Live the life of a child whose control channel is `control_fd`; the exit code."""
    asyncio.get_running_loop().set_exception_handler(_loop_fault)
    channel = await AsyncChannel.attach(socket.socket(fileno=control_fd))
    try:
        return await _live(channel, build, face)
    finally:
        channel.close()


async def _live(channel: AsyncChannel, build: Build[T], face: Callable[[Current[T]], Face]) -> int:
    try:
        order = await channel.receive()
    except EndOfChannelError:
        return DRAINED  # the supervisor changed its mind
    if not isinstance(order, Configure):
        _log.error("control_message_unexpected", kind=order.kind if order else None)
        return FAULT
    runtime = Runtime(build, order.config)
    try:
        await runtime.built()
    except ConsentMilterError as error:
        await channel.send(Refused(str(error)))
        return UNUSABLE
    current = Current(runtime)
    await Serving(channel, build, current, face(current), order).serve()
    return DRAINED


def process(main: Callable[[], int]) -> NoReturn:
    """Run a child's `main` as the whole process."""
    # Before any thread starts, so that all inherit it: those that a terminal or an init system might send to all.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})
    log.configure()
    code = FAULT
    try:
        code = main()
    except Exception:  # noqa: BLE001 - the edge of the process
        _log.exception("child_failed")
    finally:
        # No thread that is stuck may keep the process from leaving: everything is flushed.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _loop_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    _log.error("loop_fault", reason=context["message"], exc_info=context.get("exception"))
