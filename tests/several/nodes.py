"""Nodes of one list: each a consentmilter with a directory, a configuration, pages and an intake of its own.

They share the store, and the keys, unless a test wants it otherwise. What a person or an operator does to opt out is a
function of the node where it happens; each returns whether the node said that it is done.
"""

import http.client
import os
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from consentmilter import tokens
from consentmilter.keys import KeyRing
from consentmilter.service.keyfile import read_keys
from consentmilter.subjects import subject_named
from consentmilter.tokens import Purpose, Token, stream_hash
from lab.messages import message
from lab.milter import Milter
from lab.mta import Mta
from lab.ports import free_port
from tests.acme import SITE
from tests.intake.lmtp import Lmtp

ROOT = Path(__file__).parents[2]

STREAM = "acme.newsletter"
SENDER = "<news@acme.example>"
MARKETING = {"auth_authen": "newsletter"}

DEADLINE = 0.5

ONE_CLICK = "List-Unsubscribe=One-Click"
PATIENCE = 60.0
"""For a node that cannot answer yet; what it may take itself is much less."""

Way = Callable[[Milter, str], bool]


def settings(directory: Path, url: str | None = None) -> dict[str, Any]:
    """The configuration of a node: the site of all, its own sockets, a short deadline; without a URL in SQLite."""
    return {
        **SITE,
        "store": {"url": url} if url else {},
        "milter": {"workers": 1, "deadline": f"{DEADLINE:g}s"},
        "web": {"listen": f"127.0.0.1:{free_port()}"},
        "intake": {"socket": f"unix:{directory}/intake.sock"},
    }


def share_keys(first: Path, other: Path) -> None:
    """Give a node that was not started yet the keys of another one."""
    shutil.copy(first / "keys.yaml", other / "keys.yaml")


def broken(directory: Path, url: str, defect: str) -> Milter:
    """A node with a milter that is wrong on purpose (`tests.several.application`), and nothing else."""
    environment = {"DEFECT": defect, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "tests.several.command"]
    config = {key: value for key, value in settings(directory, url).items() if key not in ("web", "intake")}
    return Milter(directory, config=config, command=command, environment=environment)


def ring_of(node: Milter) -> KeyRing:
    return read_keys(node.directory / "keys.yaml")


def token(node: Milter, person: str) -> str:
    """The token of the link in a newsletter to somebody, as this node makes it."""
    ring = ring_of(node)
    return tokens.make(
        Token(Purpose.UNSUBSCRIBE, subject_named(person, ring, {}).key, stream_hash(STREAM), day()), ring
    )


def day() -> date:
    """When the newsletters were sent."""
    return date(2026, 3, 1)


def click(node: Milter, person: str) -> bool:
    """Press the button of a mail program."""
    return clicked(node, person) == 200


def clicked(node: Milter, person: str) -> int:
    """The status with which that is answered."""
    connection = http.client.HTTPConnection(node.config["web"]["listen"], timeout=PATIENCE)
    try:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/u/{token(node, person)}", ONE_CLICK, form)
        return connection.getresponse().status
    finally:
        connection.close()


def write(node: Milter, person: str) -> bool:
    """Send a mail to the unsubscribe address."""
    return written(node, person) == 250


def written(node: Milter, person: str) -> int:
    """The code with which the node answers to that mail."""
    with Lmtp(node.config["intake"]["socket"].removeprefix("unix:")) as lmtp:
        lmtp.mail(person).expects(250)
        reply = lmtp.rcpt(f"unsub+{token(node, person)}@example.com")
        if reply.code == 250:
            [reply] = lmtp.data(message(sender=person, subject="unsubscribe"))
        return reply.code


def command(node: Milter, person: str) -> bool:
    """Have the operator do it."""
    return node.run("add", "--scope", STREAM, person) == "1 new, 0 known\n"


def asked(node: Milter, *people: str) -> list[int]:
    """What the newsletter's RCPT of each is answered, in a session of its own."""
    with Mta(node.socket, timeout=PATIENCE) as mta:
        mta.connect()
        mta.helo()
        mta.mail(SENDER, MARKETING)
        return [mta.rcpt(f"<{person}>").code for person in people]
