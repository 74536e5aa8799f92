"""The listening descriptor of libmilter, with our own socket behind it.

libmilter can only listen on a socket that it opened itself, so it is given a throwaway one of the same address family
(it drops connections of any other), found in /proc/self/fd by SO_ACCEPTCONN, and the supervisor's listener is put over
its descriptor number. The throwaway's name is gone before the first session: nothing is left behind, and libmilter,
which as a normal user unlinks the path that it opened, can never unlink the one that Postfix uses.

`stop` is the other way round: a private listener goes over the number. Open sessions live on descriptors of their own
and go on. Raises `ListenError` if libmilter's socket cannot be opened or found.
"""

import errno
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import milter

from consentmilter.errors import ListenError

WAKE = signal.SIGUSR2
"""Ends libmilter's poll() with EINTR; `install_wake` must have given it a handler."""


def install_wake() -> None:
    """Make `WAKE` harmless: a handler that does nothing interrupts a system call, where ignoring would not."""
    signal.signal(WAKE, lambda _signal, _frame: None)


class Listening:
    """What libmilter listens on."""

    def __init__(self, listener: socket.socket) -> None:
        """Open libmilter's socket and put `listener`, which is closed here, behind it."""
        self._family = listener.family
        self._name = listener.getsockname()
        self._probe: socket.socket | None = None
        # The flag belongs to the open file, so this holds for all workers: one that lost the race for a connection gets
        # EAGAIN, which libmilter takes as "go on", and is never left inside an accept() on a listener that it has left.
        listener.setblocking(False)
        with _throwaway(self._family) as name:
            before = _listening_descriptors()
            milter.setconn(name)
            try:
                milter.opensocket(False)
            except milter.error as error:
                raise ListenError(f"libmilter cannot listen on {name}: {error}") from error
            opened = _listening_descriptors() - before
        if len(opened) != 1:
            raise ListenError(f"libmilter's listening socket was not found: {len(opened)} new ones in /proc/self/fd")
        self._descriptor = opened.pop()
        os.dup2(listener.fileno(), self._descriptor, inheritable=False)
        listener.close()

    def stop(self) -> None:
        """Take no new connections; `stopped` tells when that is certain. Can be tried again after an OSError."""
        with _private_listener(self._family) as listener:
            # libmilter accepts one connection after the other, in one thread. Ours comes after all that it took from
            # the listener before, so once it has been served, none of those can still be on its way to a session.
            probe = _connect(listener)
            os.dup2(listener.fileno(), self._descriptor, inheritable=False)
        self._probe = probe
        # Its poll() looks at the listener of the time when it was called, for up to 5 seconds more.
        signal.pthread_kill(_main_thread(), WAKE)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._probe is not None

    @property
    def stopped(self) -> bool:
        """Whether every connection that libmilter will ever get is open by now, and counted by `connections`."""
        if self._probe is None:
            return False
        try:
            return self._probe.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def connections(self) -> int:
        """How many MTA connections are open: the kernel's own list, so that none is missed, negotiated or not."""
        return sum(self._is_connection(sock) for _, sock in _open_sockets())

    def _is_connection(self, sock: socket.socket) -> bool:
        if sock.family != self._family or _listens(sock):
            return False
        if self._family == socket.AF_UNIX:
            return bool(sock.getsockname() == self._name)
        # A listener on every address has connections on single ones; the port is enough, since no outgoing
        # connection of this host gets a local port on which somebody listens.
        return bool(sock.getsockname()[1] == self._name[1])


@contextmanager
def _throwaway(family: int) -> Iterator[str]:
    """A socket for libmilter to open, in its notation; the path is gone afterwards."""
    match family:
        case socket.AF_UNIX:
            with _private_directory() as directory:
                yield f"unix:{directory}/throwaway"
        case socket.AF_INET6:
            yield "inet6:0@[::1]"
        case _:
            yield "inet:0@[127.0.0.1]"


@contextmanager
def _private_listener(family: int) -> Iterator[socket.socket]:
    """A listener that nobody else knows; on a unix socket, nobody can come to know it. Closed in the end."""
    with socket.socket(family, socket.SOCK_STREAM) as listener, ExitStack() as stack:
        listener.setblocking(False)
        match family:
            case socket.AF_UNIX:
                listener.bind(f"{stack.enter_context(_private_directory())}/private")
            case socket.AF_INET6:
                listener.bind(("::1", 0))
            case _:
                listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        yield listener


@contextmanager
def _private_directory() -> Iterator[str]:
    """A directory for a socket, under a name that is short enough for one wherever TMPDIR points."""
    with tempfile.TemporaryDirectory(prefix="consentmilter-") as path:
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)


def _connect(listener: socket.socket) -> socket.socket:
    """A connection to `listener` that has nothing to say."""
    probe = socket.socket(listener.family, socket.SOCK_STREAM)
    try:
        probe.connect(listener.getsockname())
        probe.shutdown(socket.SHUT_WR)
        probe.setblocking(False)
    except OSError:
        probe.close()
        raise
    return probe


def _main_thread() -> int:
    # libmilter accepts in the thread that called its main, which for us is the first one.
    ident = threading.main_thread().ident
    assert ident is not None, "the main thread runs"
    return ident


def _listens(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _listening_descriptors() -> set[int]:
    return {descriptor for descriptor, sock in _open_sockets() if _listens(sock)}


def _open_sockets() -> Iterator[tuple[int, socket.socket]]:
    """Each socket of this process: its descriptor, and a duplicate, so that one closed and reused meanwhile is safe."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a Path for each would be for nothing
        try:
            duplicate = os.dup(int(name))
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            continue  # closed since, or the descriptor of the listing itself
        try:
            sock = socket.socket(fileno=duplicate)
        except OSError:
            os.close(duplicate)  # no socket
            continue
        with sock:
            yield int(name), sock
