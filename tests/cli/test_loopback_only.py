"""Nothing is sent home: the whole program works where there is no network, and does not as much as try one.

In a network namespace of its own, whose kernel counts whatever has no route (ip(7), /proc/net/snmp). Name servers and
address look-ups would show there, too.
"""

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from consentmilter.config import Config
from lab.directory import public_directory


@cache
def namespace() -> tuple[str, ...]:
    """What starts a process without a network; nothing if this user may not."""
    for command in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if subprocess.run([*command, "true"], capture_output=True, check=False, timeout=10).returncode == 0:
            return command
    return ()


def a_day(*words: str) -> dict[str, Any]:
    """What came of a day without a network."""
    if not namespace():
        pytest.skip("no network namespace can be made here")
    with public_directory() as directory:
        command = [*namespace(), sys.executable, "-W", "error", "-m", "tests.cli.offline", str(directory), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_everything_works_without_a_network_and_nothing_tries_one() -> None:
    """Mail, links, pages, the API and the commands."""
    assert a_day() == {"first": 250, "clicked": 200, "ready": 200, "second": 550, "lost": 0}


def test_an_attempt_to_reach_somebody_would_be_noticed() -> None:
    """The kernel counts it."""
    assert a_day("broken")["lost"] > 0


def test_every_socket_is_this_machines_unless_the_site_says_otherwise() -> None:
    """Of the service by default: unix sockets, and none for the web side before one is configured."""
    config = Config()
    assert config.milter.socket.startswith("unix:/")
    assert (config.web.listen, config.api.listen, config.intake.socket) == (None, None, None)
    assert str(config.intake.submit).startswith("127.0.0.1:")
    assert config.store.url.startswith("sqlite:")
