"""The milter socket: bound here, or inherited by systemd socket activation, and lent to the workers.

It is never reachable with another mode or group than the configured ones. A path that a dead process left behind is
removed, one behind which somebody answers is not. The listener is non-blocking: many workers wait for one connection,
and those that come too late must not sit in accept(). Raises `ListenError`, which names the mend.
"""

import errno
import grp
import os
import select
import socket
import stat
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from consentmilter.errors import ListenError
from consentmilter.supervisor.address import InetAddress, UnixAddress

BACKLOG = 1024
"""How many connections may wait for a worker; the kernel caps it at net.core.somaxconn."""

FIRST_INHERITED = 3
"""SD_LISTEN_FDS_START of sd_listen_fds(3)."""

DESCRIPTOR_NAME = "milter"
"""FileDescriptorName= of the socket unit, where it passes several."""


class Listener:
    """A listening socket, and the path that it was bound to if we made one."""

    def __init__(self, sock: socket.socket, path: Path | None, *, inherited: bool) -> None:
        self._socket = sock
        self._path = path
        self._made = _identity(path) if path is not None else None
        self.inherited = inherited
        sock.setblocking(False)

    @classmethod
    def bind(cls, address: UnixAddress | InetAddress, *, mode: int, group: str | None) -> Self:
        """Bind and listen at `address`; mode and group are those of a unix socket."""
        match address:
            case UnixAddress(path=path):
                return cls(_bind_unix(path, mode, group), path, inherited=False)
            case InetAddress():
                return cls(_bind_inet(address), None, inherited=False)

    @classmethod
    def inherit(cls, environ: MutableMapping[str, str]) -> Self | None:
        """The socket that systemd passed to this process, if it did; the variables that say so are removed."""
        meant_for_us = environ.pop("LISTEN_PID", "") == str(os.getpid())
        count = environ.pop("LISTEN_FDS", "0")
        names = environ.pop("LISTEN_FDNAMES", "").split(":")
        if not meant_for_us or not count.isdecimal() or int(count) == 0:
            return None
        sock = _activated(_which(int(count), names))
        return cls(sock, None, inherited=True)

    def fileno(self) -> int:
        """The descriptor, to be passed to workers."""
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
                raise ListenError(f"milter.socket: cannot remove {self._path}: {error.strerror}") from error
        self._made = None

    def close(self) -> None:
        """Let go of the socket; it lives on while a worker or systemd has it."""
        self._socket.close()


def _bind_unix(path: Path, mode: int, group: str | None) -> socket.socket:
    _clear(path)
    gid = _group_id(group) if group else -1
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _mask(0o777):
            sock.bind(str(path))
    except OSError as error:
        sock.close()
        raise ListenError(f"milter.socket: cannot bind {path}: {error.strerror}") from error
    try:
        os.chown(path, -1, gid)
        path.chmod(mode)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        path.unlink(missing_ok=True)
        if error.errno == errno.EPERM:
            raise ListenError(
                f"milter.socket_group: no right to give {path} to the group {group}; run as a member of it"
            ) from error
        raise ListenError(f"milter.socket: cannot listen on {path}: {error.strerror}") from error
    return sock


def _clear(path: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise ListenError(
                f"milter.socket: there is no directory {path.parent}; make it, searchable for Postfix and writable for "
                "the user that consentmilter runs as"
            ) from None
        return
    except OSError as error:
        raise ListenError(f"milter.socket: {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(kind):
        raise ListenError(f"milter.socket: {path} exists and is no socket; move it away or choose another path")
    if _answers(path):
        raise ListenError(f"milter.socket: somebody listens on {path} already; is consentmilter running twice?")
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ListenError(f"milter.socket: the stale {path} cannot be removed: {error.strerror}") from error


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener with a full backlog would block us: it is alive as well
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise ListenError(f"milter.socket: cannot tell whether {path} is in use: {error.strerror}") from error
    return True


def _bind_inet(address: InetAddress) -> socket.socket:
    try:
        found = socket.getaddrinfo(address.host, address.port, address.family, socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ListenError(f"milter.socket: {address}: {error.strerror}") from error
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
        raise ListenError(f"milter.socket: cannot listen on {address}: {error.strerror}") from error
    return sock


def _which(count: int, names: list[str]) -> int:
    if count == 1:
        return FIRST_INHERITED
    if DESCRIPTOR_NAME in names[:count]:
        return FIRST_INHERITED + names.index(DESCRIPTOR_NAME)
    raise ListenError(
        f"systemd passed {count} sockets and none is named {DESCRIPTOR_NAME}; "
        f"write FileDescriptorName={DESCRIPTOR_NAME} into the socket unit"
    )


def _activated(descriptor: int) -> socket.socket:
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ListenError(f"descriptor {descriptor}, passed by systemd, is no socket") from error
    sock.set_inheritable(False)
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.close()
        raise ListenError("the socket that systemd passed does not listen; it must be ListenStream= with Accept=no")
    return sock


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ListenError(f"milter.socket_group: there is no group {group}") from None


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
