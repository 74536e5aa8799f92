"""The supervisor process: what `consentmilter run` runs.

It owns the sockets, so that children come and go behind them. Signals: HUP reloads, USR1 replaces every child (for
upgrades), TERM and INT stop listening and drain, and once more shorten the drain. Nothing is raised to the caller:
faults are logged, and `run` returns the exit code: 0 left when told to, 2 the configuration is wrong, 3 a socket or
something that the children need cannot be had.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Collection, Mapping
from enum import Enum, auto

from consentmilter import log
from consentmilter.config import Config
from consentmilter.errors import ChildError, ConfigError, ListenError
from consentmilter.supervisor.notify import notify, notify_reloading
from consentmilter.supervisor.roles import RoleName, Setup, setups
from consentmilter.supervisor.station import Listeners, Station, give_up, listen, moves, unlink

_log = log.get()

LEFT, WRONG_CONFIG, UNREACHABLE = 0, 2, 3

HURRIED = 5.0
"""What is left of the drain after a second TERM or INT."""
ACCEPT_WITHIN = 2.0
"""How long connections that came before the stop may wait for a child to accept them."""
ACCEPT_TICK = 0.02


class Wish(Enum):
    """What a signal asks for, besides to stop."""

    RELOAD = auto()
    REPLACE = auto()


class Supervisor:
    """Runs the roles that the configuration sets up, or `only` some of them.

    `load` reads the configuration, at the start and at each reload; `applications` take the place of what a role's
    children serve.
    """

    def __init__(
        self,
        load: Callable[[], Config],
        *,
        only: Collection[RoleName] = (),
        applications: Mapping[RoleName, str] | None = None,
    ) -> None:
        self._load = load
        self._only = only
        self._applications = applications or {}
        self._stations: dict[RoleName, Station] = {}
        self._wishes: asyncio.Queue[Wish] = asyncio.Queue()
        self._stop = asyncio.Event()

    async def run(self) -> int:
        """Serve until told to stop; the exit code."""
        log.configure()
        try:
            config, wanted = self._configuration()
            log.configure(config.log.format, config.log.level)
            listeners = listen(wanted, os.environ)
        except ConfigError as error:
            _log_problems("config_wrong", error)
            return WRONG_CONFIG
        except ListenError as error:
            _log.error("listen_failed", error=str(error))
            return UNREACHABLE
        try:
            for setup in wanted:
                self._stations[setup.name] = Station(setup, listeners, config, self._applications.get(setup.name))
            return await self._serve(listeners)
        finally:
            give_up(listeners)

    def _configuration(self) -> tuple[Config, list[Setup]]:
        config = self._load()
        return config, setups(config, self._only)

    async def _serve(self, listeners: Listeners) -> int:
        self._catch_signals()
        steering = asyncio.create_task(self._steer())
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
        await self._leave(listeners)
        return code

    async def _steer(self) -> None:
        await self._start()
        _log.info("ready", pid=os.getpid(), children=self._sizes())
        notify("READY=1")
        while True:
            match await self._wishes.get():
                case Wish.RELOAD:
                    notify_reloading()
                    await self._reload()
                    notify("READY=1")
                case Wish.REPLACE:
                    await self._replace()

    async def _start(self) -> None:
        for station in self._stations.values():
            station.crew.open(station.size)
        for station in self._stations.values():
            if station.name == RoleName.MILTER or RoleName.MILTER not in self._stations:
                await station.crew.serves()
            else:
                # All mail waits while there is no milter, so what hinders another role must not end the service.
                await station.crew.settles()

    async def _reload(self) -> None:
        """Put the configuration of now in force, role by role, where it can be."""
        try:
            config, wanted = self._configuration()
        except (ConfigError, ListenError) as error:
            _log_problems("reload_failed", error)
            return
        for reason in moves(self._stations, wanted):
            _log.warning("restart_needed", reason=reason)
        taken = [
            await self._stations[setup.name].reload(setup, config) for setup in wanted if setup.name in self._stations
        ]
        if any(taken):
            log.configure(config.log.format, config.log.level)
        if all(taken):
            _log.info("reloaded", children=self._sizes())

    async def _replace(self) -> None:
        for station in self._stations.values():
            if not await station.crew.replace():
                _log.error(
                    "replacement_stopped",
                    role=station.name,
                    reason="a new process did not come to serve; the old ones stay",
                )
                return
        _log.info("replaced")

    async def _leave(self, listeners: Listeners) -> None:
        notify("STOPPING=1")
        unlink(listeners)
        await _queues_accepted(listeners)
        draining = asyncio.gather(*(station.crew.drain() for station in self._stations.values()))
        give_up(listeners)
        await draining
        _log.info("stopped")

    def _sizes(self) -> dict[str, int]:
        return {station.name: station.size for station in self._stations.values()}

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._wishes.put_nowait, Wish.RELOAD)
        loop.add_signal_handler(signal.SIGUSR1, self._wishes.put_nowait, Wish.REPLACE)
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, self._told_to_stop)

    def _told_to_stop(self) -> None:
        if self._stop.is_set():
            _log.info("hurrying", seconds=HURRIED)
            for station in self._stations.values():
                station.crew.hasten(HURRIED)
        self._stop.set()


async def _queues_accepted(listeners: Listeners) -> None:
    """Wait until the children have accepted what came before the stop.

    Nobody else would, and closing the socket would reset it. systemd keeps its own sockets, and with them the queues,
    for the next start.
    """
    bound = [listener for listener in listeners.values() if not listener.inherited]
    # They become empty by what children do, of which no event comes here.
    for _ in range(round(ACCEPT_WITHIN / ACCEPT_TICK)):
        if not any(listener.waiting() for listener in bound):
            return
        await asyncio.sleep(ACCEPT_TICK)


def _log_problems(event: str, error: ConfigError | ListenError) -> None:
    for problem in str(error).splitlines():
        _log.error(event, problem=problem)
