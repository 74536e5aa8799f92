"""A day of the program where there is no network but loopback, for a process in a network namespace of its own.

    unshare --net python -m tests.cli.offline DIRECTORY [broken]

Prints what happened as JSON, and how often the kernel had no route for what somebody wanted to send (`lost`). With
`broken` there is no day, and the process tries to reach somebody itself, which must show.
"""

import fcntl
import json
import re
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from lab.milter import Milter
from lab.mta import Mta
from lab.ports import free_port
from tests.acme import SITE
from tests.cli.installation import run

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP: netdevice(7)


def raise_loopback() -> None:
    """Begin with 127.0.0.1 and ::1, as every machine has them."""
    with socket.socket() as control:
        name = struct.pack("16sh14x", b"lo", 0)
        _, flags = struct.unpack("16sh14x", fcntl.ioctl(control, _GET_FLAGS, name))
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sh14x", b"lo", flags | _UP))


def lost() -> int:
    """How many packets had nowhere to go, in this namespace and ever."""
    ip4 = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    names, values = ip4
    count = int(values[names.index("OutNoRoutes")])
    ip6 = Path("/proc/net/snmp6")
    if ip6.exists():
        count += sum(int(line.split()[1]) for line in ip6.read_text().splitlines() if line.startswith("Ip6OutNoRoutes"))
    return count


def day(directory: Path) -> dict[str, Any]:
    """A newsletter goes out with a link, a click on it stops the next one, and every command is asked something."""
    port, api = free_port(), free_port()
    config = {
        **SITE,
        "unsubscribe": {"url": f"https://u.example.com:{port}", "mailto": "unsub@example.com"},
        "web": {"listen": f"127.0.0.1:{port}"},
        "api": {"listen": f"127.0.0.1:{api}"},
        "intake": {"socket": f"unix:{directory / 'intake.sock'}", "socket_group": None},
        "milter": {"socket_group": None},
    }
    with Milter(directory, config=config) as service:
        first, link = newsletter(service)
        with urlopen(Request(f"http://127.0.0.1:{port}{link}", b"List-Unsubscribe=One-Click"), timeout=30) as answer:
            clicked = answer.status
        with urlopen(f"http://127.0.0.1:{api}/health/ready", timeout=30) as answer:
            ready = answer.status
        second, _ = newsletter(service)
        for words in (
            ["add", "ann@example.org"],
            ["explain", "ann@example.org"],
            ["export", "-o", str(directory / "list.csv")],
            ["report"],
            ["report", "exemptions"],
            ["stats"],
            ["config", "check"],
        ):
            assert run("--config", service.config_file, *words).code == 0, words
    return {"first": first, "clicked": clicked, "ready": ready, "second": second}


def newsletter(service: Milter) -> tuple[int, str]:
    """The answer to one, and the path of the link that it left with."""
    with Mta(service.socket) as mta:
        mta.connect(address="192.0.2.1", macros={"daemon_name": "smtpd"})
        macros = {"auth_authen": "newsletter"}
        code = mta.message("<news@acme.example>", "<bob@example.org>", macros=macros).code
        links = [link[1] for edit in mta.edits if (link := re.search(r"https://[^/]+(/u/\w+)", str(edit)))]
    return code, links[0] if links else ""


def main() -> None:
    directory, *words = sys.argv[1:]
    raise_loopback()
    told = {}
    if "broken" in words:
        with suppress(OSError), socket.create_connection(("192.0.2.1", 25), timeout=1):
            pass
    else:
        told = day(Path(directory))
    print(json.dumps(told | {"lost": lost()}))  # noqa: T201 - this is a program


if __name__ == "__main__":
    main()
