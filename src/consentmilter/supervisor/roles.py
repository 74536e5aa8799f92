"""The roles of the service: which of them the configuration sets up, with which sockets, and what runs them.

Pure. Raises `ConfigError` for a role that is asked for and not set up, `ListenError` for an address that is none.
"""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from consentmilter.config import Config
from consentmilter.errors import ConfigError
from consentmilter.supervisor.address import Place, parse, parse_listen
from consentmilter.supervisor.child import Role


class RoleName(StrEnum):
    """What a process does; the mail path and the public web face never share one."""

    MILTER = "milter"
    WEB = "web"
    INTAKE = "intake"


class SocketName(StrEnum):
    """What a socket is for, and its FileDescriptorName= under systemd."""

    MILTER = "milter"
    WEB = "web"
    API = "api"
    INTAKE = "intake"


MODULES = {
    RoleName.MILTER: "consentmilter.milter.worker",
    RoleName.WEB: "consentmilter.web.child",
    RoleName.INTAKE: "consentmilter.intake.child",
}
"""The program of each role."""

OPTIONS = {
    SocketName.MILTER: "--listen-fd",
    SocketName.WEB: "--listen-fd",
    SocketName.API: "--api-fd",
    SocketName.INTAKE: "--listen-fd",
}
"""The option by which a role's program learns the descriptor of a socket."""

KEYS = {RoleName.WEB: "web.listen or api.listen", RoleName.INTAKE: "intake.socket"}
"""What sets a role up; the milter always is."""

BRIEF = 30.0
"""The drain of the roles besides the milter: no request and no LMTP session has reason to last longer."""

WEB_MODE = 0o666
"""Of a unix socket of the web side: as with a port on loopback, all who can get there may connect."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the configuration asks of one role: its sockets, how many processes, and how long they may drain."""

    name: RoleName
    places: Mapping[SocketName, Place]
    size: int
    drain: float


def setups(config: Config, only: Collection[RoleName] = ()) -> list[Setup]:
    """The roles that run under `config`: all that it sets up, or `only` these."""
    found = [setup for setup in (_milter(config), _web(config), _intake(config)) if setup.places]
    missing = sorted(set(only) - {setup.name for setup in found})
    if missing:
        raise ConfigError([f"--only {name}: {KEYS[name]} is not set, so there is no such role" for name in missing])
    return [setup for setup in found if not only or setup.name in only]


def role(name: RoleName, descriptors: Mapping[SocketName, int], application: str | None) -> Role:
    """How children of the role are started; `application` takes the place of what they would serve."""
    command = [sys.executable, "-m", MODULES[name]]
    for socket, descriptor in descriptors.items():
        command += [OPTIONS[socket], str(descriptor)]
    if application is not None:
        command += ["--application", application]
    return Role(name, tuple(command), tuple(descriptors.values()))


def _milter(config: Config) -> Setup:
    part = config.milter
    place = Place(parse(part.socket), part.socket_mode, part.socket_group)
    return Setup(RoleName.MILTER, {SocketName.MILTER: place}, part.workers, part.drain)


def _web(config: Config) -> Setup:
    wanted = {SocketName.WEB: config.web.listen, SocketName.API: config.api.listen}
    places = {
        name: Place(parse_listen(text, key := f"{name}.listen"), WEB_MODE, None, key)
        for name, text in wanted.items()
        if text is not None
    }
    return Setup(RoleName.WEB, places, 1, BRIEF)


def _intake(config: Config) -> Setup:
    part, key = config.intake, "intake.socket"
    places = {}
    if part.socket is not None:
        places[SocketName.INTAKE] = Place(parse(part.socket, key), part.socket_mode, part.socket_group, key)
    return Setup(RoleName.INTAKE, places, 1, BRIEF)
