"""The supervisor process: what `consentmilter run` runs.

It owns the milter socket, so that workers come and go behind it. Signals: HUP reloads, USR1 replaces every worker
(for upgrades), TERM and INT stop listening and drain, and once more shorten the drain. Nothing is raised to the
caller: faults are logged, and `run` returns the exit code: 0 left when told to, 2 the configuration is wrong, 3 the
socket or something that the workers need cannot be had.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from enum import Enum, auto

from consentmilter import log
from consentmilter.config import Config
from consentmilter.control import Configure
from consentmilter.errors import ChildError, ConfigError, ListenError
from consentmilter.supervisor.address import parse
from consentmilter.supervisor.child import Role
from consentmilter.supervisor.crew import Crew
from consentmilter.supervisor.listener import Listener
from consentmilter.supervisor.notify import notify, notify_reloading

_log = log.get()

APPLICATION = "consentmilter.milter.application"

LEFT, WRONG_CONFIG, UNREACHABLE = 0, 2, 3

HURRIED = 5.0
"""What is left of the drain after a second TERM or INT."""
ACCEPT_WITHIN = 2.0
"""How long connections that came before the stop may wait for a worker to accept them."""
ACCEPT_TICK = 0.02


class Wish(Enum):
    """What a signal asks for, besides to stop."""

    RELOAD = auto()
    REPLACE = auto()


class Supervisor:
    """Runs the milter; `load` reads the configuration, at the start and at each reload."""

    def __init__(self, load: Callable[[], Config], *, application: str = APPLICATION) -> None:
        self._load = load
        self._application = application
        self._wishes: asyncio.Queue[Wish] = asyncio.Queue()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until told to stop; the exit code."""
        log.configure()
        try:
            config = self._load()
        except ConfigError as error:
            _log_problems("config_wrong", error)
            return WRONG_CONFIG
        log.configure(config.log.format, config.log.level)
        try:
            listener = _listen(config)
        except ListenError as error:
            _log.error("listen_failed", error=str(error))
            return UNREACHABLE
        _log.info("listening", socket=listener.describe(), inherited=listener.inherited)
        try:
            return await self._serve(listener, config)
        finally:
            listener.close()

    async def _serve(self, listener: Listener, config: Config) -> int:
        crew = Crew(self._role(listener), _configure(config))
        self._catch_signals(crew)
        steering = asyncio.create_task(self._steer(crew, config))
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({steering, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        steering.cancel()
        code = LEFT
        try:
            await steering
        except asyncio.CancelledError:
            _log.info("stopping")
        except ChildError as error:
            _log.error("cannot_start", reason=str(error))
            code = UNREACHABLE
        await _leave(crew, listener)
        return code

    async def _steer(self, crew: Crew, config: Config) -> None:
        await crew.start(config.milter.workers)
        _log.info("ready", pid=os.getpid(), workers=config.milter.workers)
        notify("READY=1")
        while True:
            match await self._wishes.get():
                case Wish.RELOAD:
                    notify_reloading()
                    config = await self._reload(crew, config)
                    notify("READY=1")
                case Wish.REPLACE:
                    if await crew.replace():
                        _log.info("replaced")
                    else:
                        _log.error(
                            "replacement_stopped", reason="a new worker did not come to serve; the old ones stay"
                        )

    async def _reload(self, crew: Crew, before: Config) -> Config:
        """Put the configuration of now in force, if it can be; the one that is in force."""
        try:
            config = self._load()
        except ConfigError as error:
            _log_problems("reload_failed", error)
            return before
        if _place(config) != _place(before):
            _log.warning("restart_needed", reason="milter.socket, its mode or its group changed")
        if not await crew.reload(_configure(config)):
            _log.error("reload_failed", problem="no worker can use the configuration; the one before stays")
            return before
        log.configure(config.log.format, config.log.level)
        await crew.resize(config.milter.workers)
        _log.info("reloaded", workers=config.milter.workers)
        return config

    def _role(self, listener: Listener) -> Role:
        descriptor = listener.fileno()
        command = (
            *(sys.executable, "-m", "consentmilter.milter.worker"),
            *("--listen-fd", str(descriptor), "--application", self._application),
        )
        return Role("worker", command, (descriptor,))

    def _catch_signals(self, crew: Crew) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._wishes.put_nowait, Wish.RELOAD)
        loop.add_signal_handler(signal.SIGUSR1, self._wishes.put_nowait, Wish.REPLACE)
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._told_to_stop, crew)

    def _told_to_stop(self, crew: Crew) -> None:
        if self._stop.is_set():
            _log.info("hurrying", seconds=HURRIED)
            crew.hasten(HURRIED)
        self._stop.set()


def _listen(config: Config) -> Listener:
    inherited = Listener.inherit(os.environ)
    if inherited is not None:
        return inherited
    return Listener.bind(parse(config.milter.socket), mode=config.milter.socket_mode, group=config.milter.socket_group)


async def _leave(crew: Crew, listener: Listener) -> None:
    notify("STOPPING=1")
    try:
        listener.unlink()
    except ListenError as error:
        _log.error("socket_left_behind", error=str(error))
    if not listener.inherited:
        # Nobody else will accept what is in the queue, and closing it would reset it. systemd keeps its own socket,
        # and with it the queue, for the next start.
        await _queue_accepted(listener)
    draining = asyncio.create_task(crew.drain())
    listener.close()
    await draining
    _log.info("stopped")


async def _queue_accepted(listener: Listener) -> None:
    # It becomes empty by what workers do, of which no event comes here.
    for _ in range(round(ACCEPT_WITHIN / ACCEPT_TICK)):
        if not listener.waiting():
            return
        await asyncio.sleep(ACCEPT_TICK)


def _configure(config: Config) -> Configure:
    return Configure(config.model_dump_json(), config.milter.drain)


def _place(config: Config) -> tuple[str, int, str | None]:
    return config.milter.socket, config.milter.socket_mode, config.milter.socket_group


def _log_problems(event: str, error: ConfigError) -> None:
    for problem in error.problems:
        _log.error(event, problem=problem)
