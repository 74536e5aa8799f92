"""The mail system of `make run` and `make demo`, and the four messages that show what it does."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from lab.directory import public_directory
from lab.errors import LabError
from lab.ports import is_free
from lab.postfix import cannot_run
from lab.postfix_files import Service
from lab.system import USERS, System

ROOT = Path(__file__).parents[1]
PORT = 2525


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


CLAIM = "X-Consent-Stream: acme.security"

LETTERS = (
    Letter("a newsletter to somebody who opted out: refused", "newsletter", "reader@example.net", "This week"),
    Letter("the same to somebody who did not: goes, with a link", "newsletter", "friend@example.net", "This week"),
    Letter("a security patch to who opted out: goes", "release-bot", "reader@example.net", "Patch 1.2.3", CLAIM),
    Letter("a newsletter that claims to be a patch: refused", "newsletter", "reader@example.net", "Patch!!!", CLAIM),
)


@contextmanager
def showcase() -> Iterator[System]:
    """The system with the sample list loaded, ready to take mail."""
    if (why := cannot_run()) is not None:
        raise LabError(f"{why}; run this as root, on Debian")
    config = yaml.safe_load((ROOT / "lab" / "showcase.yaml").read_text(encoding="utf-8"))
    port = PORT if is_free(PORT) else 0
    services = [Service("submission", port)]
    with public_directory("consentmilter-") as directory, System(directory, config=config, services=services) as system:
        sys.stdout.write(system.run("import", str(ROOT / "conf" / "sample-suppressions.csv")))
        yield system
