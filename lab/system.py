"""A whole mail system in a directory: Postfix, consentmilter as an admin would run it, and a sink.

    with System(directory, config={"mode": "enforce", ...}) as system:
        system.suppress("bob@example.org")
        with system.client() as smtp: ...

Raises `LabError` when something does not
start or a command fails.
"""

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from consentmilter.config import load
from consentmilter.config.compile import compile_site
from consentmilter.model import Assertion, Reason
from consentmilter.service.keyfile import read_keys
from consentmilter.service.suppressions import Actor, assert_many
from consentmilter.store.journal import JournalRow, read_journal
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named
from lab.client import Client
from lab.errors import LabError
from lab.postfix import Postfix
from lab.postfix_files import Service
from lab.process import Process, wait_for
from lab.sink import Sink

PROGRAM = Path(sys.executable).with_name("consentmilter")

USERS = dict.fromkeys(("newsletter", "release-bot", "alice"), "secret")


class System:
    """Postfix with consentmilter attached to `smtpd_milters` and `non_smtpd_milters`, and a sink behind it.

    `config` is laid over a configuration whose paths lie in `directory`. `services`, `main` and `master` are Postfix's;
    `{milter}` in their values stands for the milter's socket.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, Any] | None = None,
        services: Sequence[Service] = (Service("smtp"),),
        main: Mapping[str, str] | None = None,
        master: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.config_file = directory / "consentmilter.yaml"
        self.socket = f"unix:{directory / 'milter.sock'}"
        self.sink = Sink()
        self.postfix = Postfix(
            directory,
            services=[self._with_socket(service) for service in services],
            main={
                "smtpd_milters": self.socket,
                "non_smtpd_milters": self.socket,
                **{key: value.replace("{milter}", self.socket) for key, value in (main or {}).items()},
            },
            master=[line.replace("{sink}", str(self.sink.port)) for line in master],
            sink_port=self.sink.port,
            users=USERS,
        )
        self._told = 0
        self.milter = Process([PROGRAM, "--config", self.config_file, "run"], name="consentmilter")
        self.configure(config or {})

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        self.run("init")
        self.milter.start()
        self.milter.wait_until(lambda: '"event": "ready"' in self.milter.output(), "it is ready", timeout=20)
        self.sink.start()
        self.postfix.start()

    def stop(self) -> None:
        for part in (self.postfix, self.milter, self.sink):
            part.stop()

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the configuration; `reload` puts it into force."""
        data = {
            "store": {"url": f"sqlite:///{self.directory / 'state' / 'consent.db'}"},
            "keys": {"file": str(self.directory / "keys.yaml")},
            "milter": {"socket": self.socket},
            "log": {"format": "json", "level": "debug"},
        }
        for key, value in config.items():
            data[key] = {**data[key], **value} if key in data and isinstance(value, Mapping) else value
        self.config_file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def renew(self, config: Mapping[str, Any]) -> None:
        """Begin anew under this configuration, as a system just started would: empty list, sink, log and journal."""
        self.postfix.drain()
        with closing(sqlite3.connect(self.directory / "state" / "consent.db")) as database, database:
            database.execute("DELETE FROM suppression")
        self.configure(config)
        self.reload()
        self.sink.clear()
        self._told = len(self.milter.output())

    def reload(self, *, expect: str = "reloaded") -> None:
        """Have the configuration read again, and wait for the event that tells the outcome."""
        before = len(self.events(expect))
        self.milter.signal(signal.SIGHUP)
        self.milter.wait_until(lambda: len(self.events(expect)) > before, f"the event {expect}")

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

    def client(self, service: str = "smtp", *, login: str | None = None) -> Client:
        """An SMTP session, with a login if asked for."""
        return Client(self.postfix.port(service), login=(login, USERS[login]) if login else None)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of that name that the milter has logged so far."""
        lines = [line for line in self.milter.output()[self._told :].splitlines() if line.startswith("{")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def decisions(self, count: int = 1) -> list[dict[str, Any]]:
        """The decisions so far, once there are `count` of them."""
        return wait_for(lambda: d if len(d := self.events("decision")) >= count else None, f"{count} decisions")

    def journal(self, count: int = 1) -> list[JournalRow]:
        """The journal, once it has `count` rows."""

        def rows() -> list[JournalRow] | None:
            refs = {decision["ref"] for decision in self.events("decision")}
            found = [row for row in read_journal(self._journal_url) if row.ref in refs]
            return found if len(found) >= count else None

        return wait_for(rows, f"{count} journal rows")

    def workers(self) -> list[int]:
        """The ids of the worker processes."""
        children = Path(f"/proc/{self.milter.pid}/task/{self.milter.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in children.split()]

    @property
    def _journal_url(self) -> str:
        return f"sqlite:///{self.directory / 'state' / 'journal.db'}"

    def _with_socket(self, service: Service) -> Service:
        options = {key: value.replace("{milter}", self.socket) for key, value in service.options.items()}
        return Service(service.name, service.port, options)
