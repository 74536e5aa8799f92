"""consentmilter as an admin would run it, in a directory and without a Postfix.

    with Milter(directory, config={"mode": "enforce", ...}) as milter:
        milter.suppress("bob@example.org")
        with Mta(milter.socket) as mta: ...

Raises `LabError` when it does not start or a command fails.
"""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from consentmilter.config import load
from consentmilter.config.compile import compile_site
from consentmilter.model import Assertion, Reason
from consentmilter.service import setup
from consentmilter.service.keyfile import read_keys
from consentmilter.service.suppressions import Actor, assert_many
from consentmilter.store.journal import JournalRow, read_journal
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named
from lab.errors import LabError
from lab.part import Part
from lab.process import Process, wait_for

_EMPTIED = (
    *("suppression", "hash_suppression", "consent", "legal_hold", "exemption_use"),
    *("dkim_check", "soft_bounce", "confirmation", "review"),
)

PROGRAM = Path(sys.executable).with_name("consentmilter")


class Milter(Part):
    """The service with its workers, its store and its journal, all below `directory`.

    `config` is laid over a configuration whose paths lie there. `command` serves in place of `consentmilter run`; the
    configuration's path is added to it, `environment` to what it inherits.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any] | None = None,
        command: Sequence[str | Path] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.directory = directory
        self.config_file = directory / "consentmilter.yaml"
        self.socket = f"unix:{directory / 'milter.sock'}"
        self.store_file = directory / "state" / "consent.db"
        self.journal_file = directory / "state" / "journal.db"
        serve = (*command, self.config_file) if command else (PROGRAM, "--config", self.config_file, "run")
        self.process = Process(serve, name="consentmilter", environment=environment)
        self._told = 0
        self.configure(config or {})

    def start(self) -> None:
        self._make_site()
        self.process.start()
        self.process.wait_until(lambda: '"event": "ready"' in self.process.output(), "it is ready")

    def stop(self) -> None:
        self.process.stop()

    def _make_site(self) -> None:
        """Do what `consentmilter init` does, without the start of a process."""
        config = load(self.config_file)
        setup.make_keys(config, os.urandom)
        setup.make_store(config, read_keys(config.keys.file))
        setup.make_journal(config)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the configuration; `reload` puts it into force."""
        data = {
            "store": {"url": f"sqlite:///{self.store_file}"},
            "keys": {"file": str(self.directory / "keys.yaml")},
            "milter": {"socket": self.socket},
            "log": {"format": "json", "level": "debug"},
        }
        for key, value in config.items():
            data[key] = {**data[key], **value} if key in data and isinstance(value, Mapping) else value
        self.config = data
        self.config_file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def renew(self, config: Mapping[str, Any]) -> None:
        """Begin anew under this configuration, as if just started: an empty list, log and journal."""
        with closing(sqlite3.connect(self.store_file)) as database, database:
            for table in _EMPTIED:
                database.execute(f"DELETE FROM {table}")
        self.configure(config)
        self.reload()
        self._told = len(self.process.output())

    def reload(self, *, expect: str = "reloaded") -> None:
        """Have the configuration read again, and wait for the event that tells the outcome."""
        before = len(self.events(expect))
        self.process.signal(signal.SIGHUP)
        self.process.wait_until(lambda: len(self.events(expect)) > before, f"the event {expect}")

    def run(self, *arguments: str, given: str | bytes = "", code: int | None = 0) -> str:
        """Run a command of consentmilter; return what it prints on standard output."""
        octets = given.encode() if isinstance(given, str) else given
        command = [str(PROGRAM), "--config", str(self.config_file), *arguments]
        done = subprocess.run(command, input=octets, capture_output=True, timeout=120, check=False)
        if code is not None and done.returncode != code:
            raise LabError(f"{arguments}: exit {done.returncode}, not {code}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode()

    def suppress(self, *people: str, scope: str = "*", reason: str = "unsubscribe") -> None:
        """Put people or domains on the list, as `consentmilter add` does but without the start of a process."""
        config = load(self.config_file)
        ring, foldings = read_keys(config.keys.file), compile_site(config).foldings
        named = [subject_named(text, ring, foldings) for text in people]
        said = [Assertion(each.key, each.text, scope, Reason(reason)) for each in named]

        async def add() -> None:
            async with Store.open(config.store.url, ring.checks()) as store:
                await assert_many(store, said, Actor("lab", "cli"))

        asyncio.run(add())

    def log(self) -> str:
        """What it has written since it was started or renewed."""
        return self.process.output()[self._told :]

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of that name that it has logged so far."""
        whole, _, _ = self.log().rpartition("\n")  # the last line may be being written
        lines = [line for line in whole.splitlines() if line.startswith("{") and f'"{name}"' in line]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def decisions(self, count: int = 1) -> list[dict[str, Any]]:
        """The decisions so far, once there are `count` of them."""
        return wait_for(lambda: d if len(d := self.events("decision")) >= count else None, f"{count} decisions")

    def journal(self, count: int = 1) -> list[JournalRow]:
        """The journal, once it has `count` rows."""

        def rows() -> list[JournalRow] | None:
            refs = {decision["ref"] for decision in self.events("decision")}
            found = [row for row in read_journal(f"sqlite:///{self.journal_file}") if row.ref in refs]
            return found if len(found) >= count else None

        return wait_for(rows, f"{count} journal rows")

    def workers(self) -> list[int]:
        """The ids of the worker processes."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split()]
