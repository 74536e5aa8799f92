"""Which roles a configuration sets up, where they listen, and what systemd may pass to them."""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consentmilter.config import Config
from consentmilter.errors import ConfigError, ListenError
from consentmilter.supervisor import activation
from consentmilter.supervisor.activation import inherit
from consentmilter.supervisor.address import InetAddress, Place, UnixAddress, parse_listen
from consentmilter.supervisor.listener import Listener
from consentmilter.supervisor.roles import RoleName, Setup, SocketName, role, setups
from consentmilter.supervisor.station import Station, listen, moves

MILTER, WEB, INTAKE = RoleName.MILTER, RoleName.WEB, RoleName.INTAKE


def config(**sections: Any) -> Config:
    return Config.model_validate(sections)


FULL = config(
    milter={"socket": "unix:/run/m.sock", "workers": 3, "drain": "1m"},
    web={"listen": "127.0.0.1:8025"},
    api={"listen": "unix:/run/api.sock"},
    intake={"socket": "unix:/run/intake.sock", "socket_mode": "0600", "socket_group": "mail"},
)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8025", InetAddress(socket.AF_INET, "127.0.0.1", 8025)),
        ("localhost:8025", InetAddress(socket.AF_INET, "localhost", 8025)),
        ("[::1]:8025", InetAddress(socket.AF_INET6, "::1", 8025)),
        ("unix:/run/web.sock", UnixAddress(Path("/run/web.sock"))),
    ],
)
def test_the_web_side_listens_where_web_servers_write_it(text: str, address: InetAddress | UnixAddress) -> None:
    """A host and a port, or a path."""
    assert parse_listen(text, "web.listen") == address


@pytest.mark.parametrize("text", ["8025", "127.0.0.1", ":8025", "127.0.0.1:0", "127.0.0.1:65536", "unix:web.sock", ""])
def test_an_address_that_is_none_is_refused_by_its_key(text: str) -> None:
    """The operator has several."""
    with pytest.raises(ListenError, match=r"^api\.listen: "):
        parse_listen(text, "api.listen")


def test_only_the_milter_runs_where_nothing_else_is_set_up() -> None:
    """The defaults."""
    assert [setup.name for setup in setups(Config())] == [MILTER]


def test_each_role_has_its_sockets_its_size_and_its_drain() -> None:
    """As the configuration says them."""
    milter, web, intake = setups(FULL)
    assert milter == Setup(
        MILTER, {SocketName.MILTER: Place(UnixAddress(Path("/run/m.sock")), 0o660, "postfix")}, 3, 60.0
    )
    assert {name: (place.key, str(place.address)) for name, place in web.places.items()} == {
        SocketName.WEB: ("web.listen", "inet:127.0.0.1:8025"),
        SocketName.API: ("api.listen", "unix:/run/api.sock"),
    }
    assert intake.places[SocketName.INTAKE] == Place(
        UnixAddress(Path("/run/intake.sock")), 0o600, "mail", "intake.socket"
    )
    assert (web.size, intake.size) == (1, 1)


def test_the_api_alone_is_a_web_role() -> None:
    """For a node that serves no pages."""
    assert list(setups(config(api={"listen": "127.0.0.1:8026"}), [WEB])[0].places) == [SocketName.API]


def test_one_role_can_be_run_alone() -> None:
    """Or some of them."""
    assert [setup.name for setup in setups(FULL, [WEB])] == [WEB]
    assert [setup.name for setup in setups(FULL, [INTAKE, MILTER])] == [MILTER, INTAKE]


def test_a_role_that_is_not_set_up_cannot_be_asked_for() -> None:
    """The error says what would set it up."""
    with pytest.raises(ConfigError) as caught:
        setups(Config(), [WEB, INTAKE, MILTER])
    assert caught.value.problems == [
        "--only intake: intake.socket is not set, so there is no such role",
        "--only web: web.listen or api.listen is not set, so there is no such role",
    ]


def test_a_role_is_started_with_its_descriptors() -> None:
    """Each under the option of its program, and inherited."""
    web = role(WEB, {SocketName.WEB: 7, SocketName.API: 9}, None)
    assert web.command == (sys.executable, "-m", "consentmilter.web.child", "--listen-fd", "7", "--api-fd", "9")
    assert web.descriptors == (7, 9)
    assert role(INTAKE, {SocketName.INTAKE: 5}, "other").command[-4:] == ("--listen-fd", "5", "--application", "other")


@pytest.fixture
def passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Three listening sockets in a row, as systemd passes them, and what it says of them."""
    first = 800  # far above what this process has open, where three in a row are free
    with Path(os.devnull).open("rb") as null:
        before = [fcntl.fcntl(null, fcntl.F_DUPFD, first) for _ in range(3)]
    assert before == [first, first + 1, first + 2]
    for descriptor in before:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(tmp_path / str(descriptor)))
            sock.listen()
            os.dup2(sock.fileno(), descriptor)
    monkeypatch.setattr(activation, "FIRST", first)
    yield {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "web:milter:intake"}
    for descriptor in before:
        try:
            os.close(descriptor)
        except OSError:
            continue  # a listener owned and closed it


def test_several_inherited_sockets_are_told_by_their_names(passed: dict[str, str]) -> None:
    """In whatever order they come."""
    first = activation.FIRST
    listeners = inherit(passed, list(SocketName))
    try:
        assert {name: listener.fileno() - first for name, listener in listeners.items()} == {
            SocketName.WEB: 0,
            SocketName.MILTER: 1,
            SocketName.INTAKE: 2,
        }
        assert all(listener.inherited for listener in listeners.values())
    finally:
        for listener in listeners.values():
            listener.close()
    assert passed == {}


@pytest.mark.parametrize("names", ["consentmilter.socket", "milter", ""])
def test_a_single_socket_without_a_known_name_is_the_milters(passed: dict[str, str], names: str) -> None:
    """systemd names it after its unit where FileDescriptorName= is missing."""
    [(name, listener)] = inherit(passed | {"LISTEN_FDS": "1", "LISTEN_FDNAMES": names}, list(SocketName)).items()
    assert name == SocketName.MILTER
    listener.close()


@pytest.mark.parametrize("names", ["web:web:intake", "web:consentmilter.socket:intake", "unknown", ""])
def test_several_sockets_need_names_of_their_own(passed: dict[str, str], names: str) -> None:
    """The message says what to write into the units."""
    with pytest.raises(ListenError, match="FileDescriptorName="):
        inherit(passed | {"LISTEN_FDNAMES": names}, list(SocketName))


def test_a_socket_of_a_role_that_does_not_run_is_refused(passed: dict[str, str]) -> None:
    """Whatever connects to it would wait for ever."""
    with pytest.raises(ListenError, match="named intake, which belongs to no role that runs here"):
        inherit(passed, [SocketName.MILTER, SocketName.WEB])


def test_nothing_is_inherited_that_was_meant_for_another_process() -> None:
    """LISTEN_PID names the process; the variables are gone for children either way."""
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "milter", "HOME": "/"}
    assert inherit(environ, list(SocketName)) == {}
    assert environ == {"HOME": "/"}


def test_all_sockets_are_there_or_none(tmp_path: Path) -> None:
    """One that cannot be bound takes those along that could."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        wanted = config(milter={"socket": f"unix:{tmp_path}/m.sock", "socket_group": None}, web={"listen": taken})
        with pytest.raises(ListenError, match=r"^web\.listen: cannot listen on .*Address already in use"):
            listen(setups(wanted), {})
    assert list(tmp_path.iterdir()) == []


def moved(tmp_path: Path, before: dict[str, Any], after: dict[str, Any], *, inherited: bool = False) -> list[str]:
    """What a reload from one configuration to another leaves for a restart."""
    milter = {"milter": {"socket": "unix:/run/m.sock"}}
    sock = Listener.bind(Place(UnixAddress(tmp_path / "any.sock")))
    sock.inherited = inherited
    listeners = dict.fromkeys(SocketName, sock)
    running = config(**milter, **before)
    stations = {setup.name: Station(setup, listeners, running, None) for setup in setups(running)}
    sock.close()
    return list(moves(stations, setups(config(**milter, **after))))


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        ({}, {}, []),
        ({}, {"web": {"listen": "127.0.0.1:1"}}, ["web.listen was switched on"]),
        ({"web": {"listen": "127.0.0.1:1"}}, {}, ["the role web was switched off"]),
        (
            {"web": {"listen": "127.0.0.1:1"}},
            {"web": {"listen": "127.0.0.1:2"}, "api": {"listen": "127.0.0.1:3"}},
            ["web.listen, its mode or its group changed", "api.listen was switched on"],
        ),
        (
            {"web": {"listen": "127.0.0.1:1"}, "api": {"listen": "127.0.0.1:3"}},
            {"web": {"listen": "127.0.0.1:1"}},
            ["api.listen was switched off"],
        ),
        (
            {"intake": {"socket": "unix:/run/i.sock"}},
            {"intake": {"socket": "unix:/run/i.sock", "socket_mode": "0600"}},
            ["intake.socket, its mode or its group changed"],
        ),
    ],
)
def test_what_a_reload_cannot_do_is_told(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], reasons: list[str]
) -> None:
    """Sockets are made at the start."""
    assert moved(tmp_path, before, after) == reasons


def test_an_inherited_socket_is_where_systemd_has_it_whatever_the_configuration_says(tmp_path: Path) -> None:
    """No restart would change that."""
    one, other = {"web": {"listen": "127.0.0.1:1"}}, {"web": {"listen": "127.0.0.1:2"}}
    assert moved(tmp_path, one, other, inherited=True) == []
