"""consentmilter as a contender: its two workers, a list of a million people, logging on, a token in every message.

Every message is of a marketing stream that the client's network tells, so that each recipient costs a look-up at RCPT
and each message a link and a log event. Raises `LabError` when a command fails.
"""

import subprocess
from pathlib import Path

import yaml

from bench.contenders import Command
from lab.errors import LabError
from lab.milter import PROGRAM


class Consentmilter(Command):
    """The program under test, in a directory that Postfix's user can enter."""

    def __init__(self, directory: Path, people: int) -> None:
        self._home = directory / "consentmilter"
        self._config = self._home / "consentmilter.yaml"
        self._people = people
        socket = self._home / "milter.sock"
        super().__init__("consentmilter", [PROGRAM, "--config", self._config, "run"], socket)
        self._settings = {
            "mode": "enforce",
            "store": {"url": f"sqlite:///{self._home}/state/consent.db"},
            "keys": {"file": str(self._home / "keys.yaml")},
            "milter": {"socket": f"unix:{socket}"},
            "log": {"format": "json", "level": "info"},
            "unsubscribe": {"url": "https://u.example.com", "mailto": "unsub@example.com"},
            "streams": {"acme.newsletter": {"title": "Weekly newsletter"}},
            "classify": [{"client": "127.0.0.0/8", "stream": "acme.newsletter"}],
        }

    def start(self) -> str:
        self._home.mkdir()
        self._config.write_text(yaml.safe_dump(self._settings, sort_keys=False), encoding="utf-8")
        self._run("init")
        people = self._home / "people.txt"
        people.write_text("".join(f"person{n}@domain{n % 5000}.example\n" for n in range(self._people)))
        self._run("import", str(people))
        return super().start()

    def _run(self, *arguments: str) -> None:
        done = subprocess.run([PROGRAM, "--config", self._config, *arguments], capture_output=True, check=False)
        if done.returncode != 0:
            raise LabError(f"consentmilter {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")
