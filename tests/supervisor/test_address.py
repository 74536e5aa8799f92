"""`milter.socket`, in the notations of Postfix and libmilter."""

import socket
from pathlib import Path

import pytest

from consentmilter.errors import ListenError
from consentmilter.supervisor.address import InetAddress, UnixAddress, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/milter.sock", UnixAddress(Path("/run/milter.sock"))),
        ("local:/run/milter.sock", UnixAddress(Path("/run/milter.sock"))),
        ("inet:127.0.0.1:8891", InetAddress(socket.AF_INET, "127.0.0.1", 8891)),
        ("inet:8891@127.0.0.1", InetAddress(socket.AF_INET, "127.0.0.1", 8891)),
        ("inet:localhost:8891", InetAddress(socket.AF_INET, "localhost", 8891)),
        ("inet:[::1]:8891", InetAddress(socket.AF_INET6, "::1", 8891)),
        ("inet6:[::1]:8891", InetAddress(socket.AF_INET6, "::1", 8891)),
        ("inet6:8891@[::1]", InetAddress(socket.AF_INET6, "::1", 8891)),
        ("inet6:8891@::1", InetAddress(socket.AF_INET6, "::1", 8891)),
        ("inet6:localhost:8891", InetAddress(socket.AF_INET6, "localhost", 8891)),
    ],
)
def test_both_notations_are_read(text: str, address: UnixAddress | InetAddress) -> None:
    """Postfix writes inet:HOST:PORT, libmilter inet:PORT@HOST; what is shown can be read again."""
    assert parse(text) == address
    assert parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/run/milter.sock",
        "unix:",
        "unix:run/milter.sock",
        f"unix:/{'x' * 107}",
        "inet:",
        "inet:8891",
        "inet:localhost:",
        "inet:localhost:0",
        "inet:localhost:65536",
        "inet:localhost:smtp",
        "inet:::1:8891",
        "fd:3",
    ],
)
def test_what_is_no_address_is_refused_by_its_key(text: str) -> None:
    """Also a port without a host, which would listen on all addresses."""
    with pytest.raises(ListenError, match=r"^milter\.socket: "):
        parse(text)
