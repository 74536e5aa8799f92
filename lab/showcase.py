"""The mail system of `make run` and `make demo`, and the messages and the click that show what it does."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.directory import public_directory
from lab.errors import LabError
from lab.ports import free_port, is_free
from lab.postfix import cannot_run
from lab.postfix_files import Service
from lab.system import USERS, System

ROOT = Path(__file__).parents[1]
PORT = 2525
WEB_PORT = 8025


@dataclass(frozen=True)
class Letter:
    """A message to send, and what it shows."""

    title: str
    login: str
    recipient: str
    subject: str
    header: str | None = None

    def command(self, port: int) -> list[str]:
        """The command that sends it."""
        words = ["swaks", "--server", f"127.0.0.1:{port}", "--auth", "PLAIN", "--auth-user", self.login]
        words += ["--auth-password", USERS[self.login], "--from", "news@acme.example", "--to", self.recipient]
        words += ["--h-Subject", self.subject]
        return [*words, "--add-header", self.header] if self.header else words

    def line(self, port: int) -> str:
        """The command as a line to paste."""
        return shlex.join(self.command(port))


@dataclass(frozen=True)
class Click:
    """What a mail client does when its user presses the unsubscribe button."""

    title: str

    def command(self, page: str) -> list[str]:
        """The command that does it; `page` is where the link leads, on this machine."""
        return ["curl", "--silent", "--show-error", "--data", "List-Unsubscribe=One-Click", page]

    def line(self, page: str) -> str:
        """The command as a line to paste."""
        return shlex.join(self.command(page))


CLAIM = "X-Consent-Stream: acme.security"

STEPS: tuple[Letter | Click, ...] = (
    Letter("a newsletter to somebody who opted out: refused", "newsletter", "reader@example.net", "This week"),
    Letter("the same to somebody who did not: goes, with a link", "newsletter", "friend@example.net", "This week"),
    Letter("a security patch to who opted out: goes", "release-bot", "reader@example.net", "Patch 1.2.3", CLAIM),
    Letter("a newsletter that claims to be a patch: refused", "newsletter", "reader@example.net", "Patch!!!", CLAIM),
    Click("the person who got the newsletter presses the unsubscribe button of their mail client"),
    Letter("the next newsletter to that person: refused", "newsletter", "friend@example.net", "Next week"),
)


@contextmanager
def showcase() -> Iterator[System]:
    """The system with the sample list loaded, ready to take mail."""
    if (why := cannot_run()) is not None:
        raise LabError(f"{why}; run this as root, on Debian")
    config = yaml.safe_load((ROOT / "lab" / "showcase.yaml").read_text(encoding="utf-8"))
    port = PORT if is_free(PORT) else 0
    config["web"] = {"listen": f"127.0.0.1:{WEB_PORT if is_free(WEB_PORT) else free_port()}"}
    services = [Service("submission", port)]
    with public_directory("consentmilter-") as directory, System(directory, config=config, services=services) as system:
        sys.stdout.write(system.run("import", str(ROOT / "conf" / "sample-suppressions.csv")))
        yield system


def page(system: System, link: str) -> str:
    """Where a link leads on this machine: to the web pages, without the proxy that speaks TLS."""
    token = link.partition("/u/")[2].partition(">")[0]
    return f"http://{system.config['web']['listen']}/u/{token}"
