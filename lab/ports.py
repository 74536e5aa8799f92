"""Free TCP ports on loopback, for servers that must be told theirs, and whether a unix socket is served.

Raises `LabError` when none is found. A port is free when asked for; nobody holds it until the server binds it.
"""

import random
import socket
from pathlib import Path

from lab.errors import LabError

# Below the range from which Linux takes the ports of outgoing connections (ip_local_port_range starts at 32768),
# so that no client can take the port between the question and the server's bind().
LOWEST, HIGHEST = 10_240, 32_767


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listens on."""
    for _ in range(200):
        port = random.randint(LOWEST, HIGHEST)
        if is_free(port):
            return port
    raise LabError(f"no free port on 127.0.0.1 between {LOWEST} and {HIGHEST} in 200 tries")


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are in TIME_WAIT counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def serves(path: Path) -> bool:
    """Whether somebody accepts connections on this unix socket; its file is there a moment earlier, from bind() on."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
