"""A listening socket: bound here, or inherited by systemd socket activation, and lent to children.

A path is never reachable with another mode or group than the configured ones. One that a dead process left behind is
removed, one behind which somebody answers is not. The listener is non-blocking: many workers wait for one connection,
and those that come too late must not sit in accept(). Raises `ListenError`, which names the mend.
"""

import errno
import grp
import os
import select
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from consentmilter.errors import ListenError
from consentmilter.supervisor.address import InetAddress, Place, UnixAddress

BACKLOG = 1024
"""How many connections may wait for a worker; the kernel caps it at net.core.somaxconn."""


class Listener:
    """A listening socket, and the place that it was bound to, unless it was inherited."""

    def __init__(self, sock: socket.socket, place: Place | None) -> None:
        self._socket = sock
        self._key = place.key if place else ""
        self._path = place.address.path if place and isinstance(place.address, UnixAddress) else None
        self._made = _identity(self._path) if self._path else None
        self.inherited = place is None
        sock.setblocking(False)

    @classmethod
    def bind(cls, place: Place) -> Self:
        """Bind and listen there."""
        match place.address:
            case UnixAddress(path=path):
                return cls(_bind_unix(path, place), place)
            case InetAddress() as address:
                return cls(_bind_inet(address, place.key), place)

    def fileno(self) -> int:
        """The descriptor, to be passed to children."""
        return self._socket.fileno()

    def describe(self) -> str:
        """Its address, for people."""
        name = self._socket.getsockname()
        if self._socket.family == socket.AF_UNIX:
            return f"unix:{os.fsdecode(name)}"
        return f"{'inet6' if self._socket.family == socket.AF_INET6 else 'inet'}:{name[0]}:{name[1]}"

    def waiting(self) -> bool:
        """Whether a connection waits to be accepted."""
        return bool(select.select([self._socket], [], [], 0)[0])

    def unlink(self) -> None:
        """Remove the path, if we made it and it is still ours: whoever took it over keeps theirs."""
        if self._path is not None and self._made is not None and _identity(self._path) == self._made:
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                raise ListenError(f"{self._key}: cannot remove {self._path}: {error.strerror}") from error
        self._made = None

    def close(self) -> None:
        """Let go of the socket; it lives on while a child or systemd has it."""
        self._socket.close()


def _bind_unix(path: Path, place: Place) -> socket.socket:
    key, group = place.key, place.group
    _clear(path, key)
    gid = _group_id(group, key) if group else -1
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _mask(0o777):
            sock.bind(str(path))
    except OSError as error:
        sock.close()
        raise ListenError(f"{key}: cannot bind {path}: {error.strerror}") from error
    try:
        os.chown(path, -1, gid)
        path.chmod(place.mode)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        path.unlink(missing_ok=True)
        if error.errno == errno.EPERM:
            raise ListenError(
                f"{key}_group: no right to give {path} to the group {group}; run as a member of it"
            ) from error
        raise ListenError(f"{key}: cannot listen on {path}: {error.strerror}") from error
    return sock


def _clear(path: Path, key: str) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise ListenError(
                f"{key}: there is no directory {path.parent}; make it, searchable for those who connect and writable "
                "for the user that consentmilter runs as"
            ) from None
        return
    except OSError as error:
        raise ListenError(f"{key}: {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"{key}: {path} exists and is no socket; move it away or choose another path")
    if _answers(path, key):
        raise ListenError(f"{key}: somebody listens on {path} already; is consentmilter running twice?")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ListenError(f"{key}: the stale {path} cannot be removed: {error.strerror}") from error


def _answers(path: Path, key: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener with a full backlog would block us: it is alive as well
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise ListenError(f"{key}: cannot tell whether {path} is in use: {error.strerror}") from error
    return True


def _bind_inet(address: InetAddress, key: str) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, address.family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ListenError(f"{key}: {address}: {error.strerror}") from error
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Inherited by accepted connections. Without it Nagle's algorithm and delayed acknowledgements add 40 ms to a
        # message, several times.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(found[0][4])
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ListenError(f"{key}: cannot listen on {address}: {error.strerror}") from error
    return sock


def _group_id(group: str, key: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ListenError(f"{key}_group: there is no group {group}") from None


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _mask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)
