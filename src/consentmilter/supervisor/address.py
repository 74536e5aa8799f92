"""Where a role listens, as its key of the configuration says it.

`unix:/path`, `inet:HOST:PORT` as Postfix writes it, `inet:PORT@HOST` as libmilter does, `inet6:` for IPv6; the web
side has `HOST:PORT` and `unix:/path`. Pure. Raises `ListenError` for anything else.
"""

import re
import socket
from dataclasses import dataclass
from pathlib import Path

from consentmilter.errors import ListenError

MAX_PATH = 107
"""sun_path of unix(7), less the NUL."""

_POSTFIX = re.compile(r"(?P<host>\[[^\]]+\]|[^@:\[\]]+):(?P<port>\d+)")
_LIBMILTER = re.compile(r"(?P<port>\d+)@(?P<host>\[[^\]]+\]|[^@\[\]]+)")


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A path in the file system."""

    path: Path

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class InetAddress:
    """A host, by name or address, and a port."""

    family: socket.AddressFamily
    host: str
    port: int

    def __str__(self) -> str:
        if self.family == socket.AF_INET6:
            return f"inet6:[{self.host}]:{self.port}"
        return f"inet:{self.host}:{self.port}"


Address = UnixAddress | InetAddress


@dataclass(frozen=True, slots=True)
class Place:
    """Where one socket is to be, under which key the configuration says so, and who may reach it if it is a path."""

    address: Address
    mode: int = 0o660
    group: str | None = None
    key: str = "milter.socket"


def parse(text: str, key: str = "milter.socket") -> Address:
    """The address that `text`, the value of `key`, says as Postfix or libmilter would write it."""
    scheme, _, rest = text.partition(":")
    match scheme:
        case "unix" | "local":
            return _unix(text, Path(rest), key)
        case "inet" | "inet6":
            return _inet(text, scheme, rest, key)
        case _:
            raise ListenError(f"{key}: {text!r} is no socket (write unix:/path or inet:127.0.0.1:PORT)")


def parse_listen(text: str, key: str) -> Address:
    """The address that `text`, the value of `key`, says as web servers write it: HOST:PORT, or unix:/path."""
    return parse(text if text.startswith("unix:") else f"inet:{text}", key)


def _unix(text: str, path: Path, key: str) -> UnixAddress:
    if not path.is_absolute():
        raise ListenError(f"{key}: {text!r} must name an absolute path")
    if len(bytes(path)) > MAX_PATH:
        raise ListenError(f"{key}: {text!r} is longer than the {MAX_PATH} octets that a unix socket can have")
    return UnixAddress(path)


def _inet(text: str, scheme: str, rest: str, key: str) -> InetAddress:
    # Without a host libmilter would listen on all addresses, where anybody could speak to it: the host must be said.
    found = _POSTFIX.fullmatch(rest) or _LIBMILTER.fullmatch(rest)
    if found is None:
        raise ListenError(f"{key}: {text!r} is no socket (write {scheme}:HOST:PORT)")
    host, port = found["host"].strip("[]"), int(found["port"])
    if not 0 < port < 65536:
        raise ListenError(f"{key}: {text!r}: there is no port {port}")
    return InetAddress(socket.AF_INET6 if scheme == "inet6" or ":" in host else socket.AF_INET, host, port)
