"""The milter socket: who can reach it, what is in its way, what is left of it."""

import grp
import os
import socket
import stat
from pathlib import Path

import pytest

from consentmilter.errors import ListenError
from consentmilter.supervisor.address import InetAddress, Place, UnixAddress
from consentmilter.supervisor.listener import Listener
from lab.ports import free_port


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "milter.sock"


def bind(path: Path, mode: int = 0o660, group: str | None = None) -> Listener:
    return Listener.bind(Place(UnixAddress(path), mode, group))


def stranger(path: Path) -> socket.socket:
    """A socket that somebody else bound to `path`."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    return sock


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_the_mode_is_the_configured_one_whatever_the_umask(path: Path, mode: int) -> None:
    """Neither wider nor narrower."""
    before = os.umask(0o027)
    try:
        listener = bind(path, mode)
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode
    listener.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to any group")
def test_the_group_is_the_configured_one(path: Path) -> None:
    """So that Postfix's own user can connect."""
    group = grp.getgrall()[-1]
    listener = bind(path, group=group.gr_name)
    assert path.stat().st_gid == group.gr_gid
    listener.close()


def test_an_unknown_group_is_refused_before_anything_is_made(path: Path) -> None:
    """By its name."""
    with pytest.raises(ListenError, match=r"milter\.socket_group: there is no group nobody-has-this"):
        bind(path, group="nobody-has-this")
    assert not path.exists()


def test_a_stale_path_is_removed(path: Path) -> None:
    """What a dead process left behind."""
    stranger(path).close()
    listener = bind(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    listener.close()


def test_a_path_behind_which_somebody_answers_is_refused_and_kept(path: Path) -> None:
    """Two instances must not steal each other's socket."""
    with stranger(path) as other:
        other.listen()
        with pytest.raises(ListenError, match="somebody listens"):
            bind(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_a_listener_with_a_full_queue_counts_as_alive(path: Path) -> None:
    """It does not answer at once, but it is there."""
    with stranger(path) as other, socket.socket(socket.AF_UNIX) as waiting:
        other.listen(0)
        waiting.connect(str(path))
        with pytest.raises(ListenError, match="somebody listens"):
            bind(path)


def test_a_file_that_is_no_socket_is_refused_and_kept(path: Path) -> None:
    """It might be anything."""
    path.write_text("precious")
    with pytest.raises(ListenError, match="is no socket"):
        bind(path)
    assert path.read_text() == "precious"


def test_a_symbolic_link_is_refused_and_not_followed(path: Path, tmp_path: Path) -> None:
    """Whoever may write the directory must not choose what we remove."""
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ListenError, match="is no socket"):
        bind(path)
    assert path.is_symlink()


def test_a_missing_directory_is_named_with_the_mend(tmp_path: Path) -> None:
    """It is not made: its owner and mode are the operator's decision."""
    with pytest.raises(ListenError, match=r"there is no directory .*missing; make it"):
        bind(tmp_path / "missing" / "milter.sock")


def test_the_path_is_removed_in_the_end(path: Path) -> None:
    """And once is enough."""
    listener = bind(path)
    listener.unlink()
    assert not path.exists()
    listener.unlink()
    listener.close()


def test_a_path_that_another_instance_took_over_is_not_removed(path: Path) -> None:
    """It is theirs by then."""
    listener = bind(path)
    path.unlink()
    with stranger(path):
        listener.unlink()
        assert path.exists()
    listener.close()


def test_waiting_connections_are_seen(path: Path) -> None:
    """Before the stop they are waited for."""
    listener = bind(path)
    assert not listener.waiting()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert listener.waiting()
    listener.close()


def test_the_listener_is_non_blocking_and_says_where_it_is(path: Path) -> None:
    """A worker that comes too late for a connection gets EAGAIN."""
    listener = bind(path)
    with socket.socket(fileno=os.dup(listener.fileno())) as sock:
        assert not os.get_blocking(sock.fileno())
    assert listener.describe() == f"unix:{path}"
    assert not listener.inherited
    listener.close()


def test_tcp_connections_do_not_wait_for_acknowledgements(tmp_path: Path) -> None:
    """TCP_NODELAY on the listener is inherited by what it accepts; without it a message takes 40 ms longer."""
    port = free_port()
    listener = Listener.bind(Place(InetAddress(socket.AF_INET, "127.0.0.1", port)))
    with socket.create_connection(("127.0.0.1", port)), socket.socket(fileno=os.dup(listener.fileno())) as sock:
        accepted, _ = sock.accept()
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        accepted.close()
    assert listener.describe() == f"inet:127.0.0.1:{port}"
    listener.close()


def test_a_port_in_use_is_refused() -> None:
    """By its address."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ListenError, match=f"cannot listen on inet:127.0.0.1:{port}: Address already in use"):
            Listener.bind(Place(InetAddress(socket.AF_INET, "127.0.0.1", port)))


def test_an_unknown_host_is_refused() -> None:
    """RFC 6761 keeps .invalid from ever being one."""
    with pytest.raises(ListenError, match=r"inet:nowhere\.invalid:8891"):
        Listener.bind(Place(InetAddress(socket.AF_INET, "nowhere.invalid", 8891)))
