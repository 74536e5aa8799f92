"""What systemd is told about the state of the service: the datagram of sd_notify(3), nothing where nobody asked."""

import os
import socket
import time

from consentmilter import log

_log = log.get()


def notify(*lines: str) -> None:
    """Send `lines`, such as READY=1, to the socket that NOTIFY_SOCKET names."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError as error:
            _log.warning("notify_failed", error=str(error))


def notify_reloading() -> None:
    """Say that a reload began; Type=notify-reload wants the time with it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")
