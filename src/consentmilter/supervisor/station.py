"""A station: one role at work, with its sockets and its crew. The supervisor has one for each role.

Raises `ListenError` for a socket that cannot be had, and `ChildError` if the role must serve and cannot.
"""

from collections.abc import Iterator, Mapping, MutableMapping

from consentmilter import log
from consentmilter.config import Config
from consentmilter.control import Configure
from consentmilter.errors import ListenError
from consentmilter.supervisor.activation import inherit
from consentmilter.supervisor.crew import Crew
from consentmilter.supervisor.listener import Listener
from consentmilter.supervisor.roles import RoleName, Setup, SocketName, role

_log = log.get()

Listeners = dict[SocketName, Listener]


def listen(wanted: list[Setup], environ: MutableMapping[str, str]) -> Listeners:
    """Every socket of these roles: passed by systemd, or bound; all or none."""
    places = {name: place for setup in wanted for name, place in setup.places.items()}
    listeners = inherit(environ, places)
    try:
        for name, place in places.items():
            if name not in listeners:
                listeners[name] = Listener.bind(place)
    except ListenError:
        give_up(listeners)
        raise
    for name, listener in listeners.items():
        _log.info("listening", name=name, socket=listener.describe(), inherited=listener.inherited)
    return listeners


def unlink(listeners: Listeners) -> None:
    """Remove the paths that were made."""
    for listener in listeners.values():
        try:
            listener.unlink()
        except ListenError as error:
            _log.error("socket_left_behind", error=str(error))


def give_up(listeners: Listeners) -> None:
    """Remove the paths that were made, and let go of the sockets."""
    unlink(listeners)
    for listener in listeners.values():
        listener.close()


class Station:
    """The role of `setup`, which starts under `config`; `application` takes the place of what its children serve."""

    def __init__(self, setup: Setup, listeners: Listeners, config: Config, application: str | None) -> None:
        self.name = setup.name
        self.size = setup.size
        self._places = setup.places
        self._inherited = {name for name in setup.places if listeners[name].inherited}
        descriptors = {name: listeners[name].fileno() for name in setup.places}
        self.crew = Crew(role(setup.name, descriptors, application), _configure(setup, config))

    async def reload(self, setup: Setup, config: Config) -> bool:
        """Offer the children another configuration; whether it is theirs from now on."""
        if not await self.crew.reload(_configure(setup, config)):
            _log.error(
                "reload_failed", problem=f"no {self.name} process can use the configuration; the one before stays"
            )
            return False
        self.size = setup.size
        await self.crew.resize(setup.size)
        return True

    def moved(self, setup: Setup) -> Iterator[str]:
        """What of the sockets would have to change for `setup`, a sentence each."""
        for name, place in self._places.items():
            if name in setup.places and setup.places[name] != place and name not in self._inherited:
                yield f"{place.key}, its mode or its group changed"
            elif name not in setup.places:
                yield f"{place.key} was switched off"
        for name in setup.places.keys() - self._places.keys():
            yield f"{setup.places[name].key} was switched on"


def moves(stations: Mapping[RoleName, Station], wanted: list[Setup]) -> Iterator[str]:
    """What only a restart would bring about of what `wanted` asks for, a sentence each."""
    for setup in wanted:
        station = stations.get(setup.name)
        if station is None:
            yield from (f"{place.key} was switched on" for place in setup.places.values())
        else:
            yield from station.moved(setup)
    for name in stations.keys() - {setup.name for setup in wanted}:
        yield f"the role {name} was switched off"


def _configure(setup: Setup, config: Config) -> Configure:
    return Configure(config.model_dump_json(), setup.drain)
