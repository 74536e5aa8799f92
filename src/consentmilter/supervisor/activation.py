"""The sockets that systemd passes by socket activation: sd_listen_fds(3).

`FileDescriptorName=` of the socket unit says whose a socket is: milter, web, api or intake. A single socket without
such a name is the milter's. Raises `ListenError` for what cannot be told, belongs to nobody, or does not listen.
"""

import os
import socket
from collections.abc import Collection, MutableMapping

from consentmilter.errors import ListenError
from consentmilter.supervisor.listener import Listener
from consentmilter.supervisor.roles import SocketName

FIRST = 3
"""SD_LISTEN_FDS_START."""


def inherit(environ: MutableMapping[str, str], wanted: Collection[SocketName]) -> dict[SocketName, Listener]:
    """The sockets that systemd passed to this process, each of them `wanted`; the variables that say so are removed."""
    meant_for_us = environ.pop("LISTEN_PID", "") == str(os.getpid())
    count = environ.pop("LISTEN_FDS", "0")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not meant_for_us or not count.isdecimal():
        return {}
    passed = _named(int(count), names)
    if spare := [name for name in passed if name not in wanted]:
        # Nobody would ever accept what connects to it.
        raise ListenError(f"systemd passed a socket named {spare[0]}, which belongs to no role that runs here")
    return {name: Listener(_activated(FIRST + index), None) for index, name in enumerate(passed)}


def _named(count: int, names: list[str]) -> list[SocketName]:
    if count == 1 and names[0] not in list(SocketName):
        return [SocketName.MILTER]  # without FileDescriptorName= it has the name of its unit
    known = [SocketName(name) for name in names[:count] if name in list(SocketName)]
    if len(known) != count or len(set(known)) != count:
        raise ListenError(
            f"systemd passed {count} sockets, named {', '.join(names)}; each needs another name of "
            f"{', '.join(SocketName)}: write FileDescriptorName= into the socket units"
        )
    return known


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
