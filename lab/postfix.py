"""A private Postfix: own configuration, queue, log and unprivileged ports on loopback.

It needs root, as Postfix's master does, and leaves no process behind; its directory belongs to the caller. Mail that
it accepts goes to the sink's port, or is discarded where there is none; none ever leaves the machine.
Raises `LabError` when Postfix does not start, a tool of it fails, or a wait is in vain.
"""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from lab.errors import LabError
from lab.part import Part
from lab.ports import free_port
from lab.postfix_files import PostfixFiles, Service, unreachable
from lab.process import PATIENCE, Process, command_name, wait_for
from lab.queue_entry import QueueEntry
from lab.sasl import SaslServer

__all__ = ["DEFAULTS", "HOSTNAME", "Postfix", "Service", "cannot_run"]

HOSTNAME = "test.example"

DEFAULTS = {
    "compatibility_level": "3.6",
    "inet_protocols": "ipv4",
    "inet_interfaces": "127.0.0.1",
    "myhostname": HOSTNAME,
    "mydomain": HOSTNAME,
    "mydestination": "",
    "mynetworks": "127.0.0.0/8",
    "alias_maps": "",
    "alias_database": "",
    "local_recipient_maps": "",
    "smtputf8_enable": "yes",
    "smtp_tls_security_level": "none",
    "disable_dns_lookups": "yes",
    "biff": "no",
    "notify_classes": "",
    "milter_default_action": "tempfail",
    "milter_connect_timeout": "10s",
    "milter_command_timeout": "10s",
    "milter_content_timeout": "20s",
    # What is deferred comes again within a second or two, not in five minutes.
    "queue_run_delay": "1s",
    "minimal_backoff_time": "1s",
    "maximal_backoff_time": "2s",
}


# Of these there is one at most, and each ends at a reload, however busy; postlogd is the last in master.cf.
SINGLE_DAEMONS = ("pickup", "qmgr", "postlogd")


def cannot_run() -> str | None:
    """Why a private Postfix cannot run here; None if it can."""
    if shutil.which("postconf") is None:
        return "Postfix is not installed"
    if os.geteuid() != 0:
        return "Postfix's master runs as root only"
    return None


class Postfix(Part):
    """A whole Postfix of one's own, below `directory` (see `lab.directory`: its daemons must be able to enter).

    `services` are its SMTP listeners (by default one, "smtp"), `main` its settings over `DEFAULTS`, `master` further
    lines of master.cf, `sink_port` where its mail goes, `users` the logins that it accepts (see `lab.sasl`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        services: Sequence[Service] = (Service("smtp"),),
        main: Mapping[str, str] | None = None,
        master: Sequence[str] = (),
        sink_port: int | None = None,
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.files = PostfixFiles(directory)
        self._ports = {service.name: service.port or free_port() for service in services}
        self._services = services
        self._more_services = master
        out = f"smtp:[127.0.0.1]:{sink_port}" if sink_port else "discard:"
        self._main = {**DEFAULTS, "default_transport": out, "relay_transport": out, **(main or {})}
        self._users = users
        self._sasl: SaslServer | None = None
        self._master: Process | None = None

    def start(self, timeout: float = PATIENCE) -> None:
        """Start it and wait until every listener greets."""
        self.files.create()
        if (closed := unreachable(self.files.queue)) is not None:
            raise LabError(f"Postfix's user may not enter {closed}; use lab.directory.public_directory")
        if self._users is not None:
            self._sasl = SaslServer(self._users)
            self._sasl.start()
        self._write_configuration()
        # Not "postfix start": it takes a quarter of a second more for checks of the system's installation, and
        # master must be our child for us to own its end.
        daemons = Path(self.tool("postconf", "-h", "daemon_directory").strip())
        self._master = Process([daemons / "master", "-c", self.files.config, "-s"], name="postfix")
        self._master.start()
        for name, port in self._ports.items():
            self._wait_until(partial(_greets, port), f"a greeting from {name} on port {port}", timeout)

    def stop(self) -> None:
        """Stop whatever of it runs, and wait until all its daemons are gone."""
        if self._master is not None:
            self._master.stop()
            self._master = None
        if self._sasl is not None:
            self._sasl.stop()
            self._sasl = None

    @property
    def pid(self) -> int:
        """The id of its master, which leads the session of all its daemons."""
        return self._running().pid

    def port(self, service: str = "smtp") -> int:
        return self._ports[service]

    def log(self) -> str:
        """The mail log so far. Daemons write it through postlogd(8), so the last line may be late: see `wait_log`."""
        return self.files.log.read_text(errors="backslashreplace")

    def wait_log(self, pattern: str, *, timeout: float = PATIENCE) -> re.Match[str]:
        """The first match of a regular expression in the log, waited for."""
        return wait_for(
            lambda: re.search(pattern, self.log(), re.MULTILINE), f"{pattern!r} in the log", timeout=timeout
        )

    def queue(self) -> list[QueueEntry]:
        """The mail in the queue, all its parts but the maildrop."""
        return [QueueEntry.parse(line) for line in self.tool("postqueue", "-j").splitlines()]

    def hold_queue(self) -> list[QueueEntry]:
        return [entry for entry in self.queue() if entry.queue == "hold"]

    def maildrop_count(self) -> int:
        """How many messages of sendmail(1) wait for pickup(8)."""
        return len(self.files.maildrop())

    def flush(self) -> None:
        """Have all deferred mail tried again."""
        self.tool("postqueue", "-f")

    def wait_empty(self, timeout: float = PATIENCE) -> None:
        """Wait until all mail has left or is held."""
        # Twice in a row, because a bounce is made before the message that it is about goes, and a deferred message
        # returns to a queue that we have looked at already.
        self._wait_until(lambda: not any(self.files.undelivered() for _ in range(2)), "an empty queue", timeout)

    def drain(self) -> None:
        """Let all mail leave, and delete what is held."""
        self.tool("postsuper", "-d", "ALL", "hold")
        self.wait_empty()

    def sendmail(self, message: bytes, *recipients: str, sender: str = f"root@{HOSTNAME}") -> None:
        """Hand mail in as local programs do, through the command of this name; it is accepted once this returns."""
        # Only root may point the setgid postdrop(1) at a configuration that the system's main.cf does not list in
        # alternate_config_directories.
        self._run(["sendmail", "-C", str(self.files.config), "-i", "-f", sender, "--", *recipients], message)

    def tool(self, name: str, *arguments: str) -> str:
        """Run one of Postfix's commands (postqueue, postsuper, postcat ...) on this instance; return what it prints."""
        return self._run([name, "-c", str(self.files.config), *arguments])

    def postconf(self, **settings: str) -> None:
        """Change settings of main.cf; `reload` puts them into force."""
        self._main.update(settings)
        self._write_configuration()

    def reload(self, timeout: float = PATIENCE) -> None:
        """Have the configuration read again, and wait until new sessions go by it; open ones go on as they are."""
        old = self._daemons()
        singles = {pid for pid, name in old.items() if name in SINGLE_DAEMONS}
        self._running().signal(signal.SIGHUP)
        # Master restarts one service after the other, and what is logged until it has come to postlogd can get lost.
        self._wait_until(lambda: not singles & self._daemons().keys(), "the restart of all services", timeout)
        with contextlib.suppress(LabError):  # whoever serves an open session stays
            wait_for(lambda: not old.keys() & self._daemons().keys(), "the end of idle daemons", timeout=1.0)

    def _write_configuration(self) -> None:
        sasl = self._sasl.settings if self._sasl is not None else {}
        self.files.write_main({**sasl, **self._main})
        listeners = (service.master_entry(self._ports[service.name]) for service in self._services)
        self.files.write_master(listeners, self._more_services)

    def _daemons(self) -> dict[int, str]:
        """Master's children, with their programs' names."""
        return {pid: command_name(pid) for pid in self._running().members() if pid != self.pid}

    def _running(self) -> Process:
        if self._master is None:
            raise LabError("postfix: is not started")
        return self._master

    def _wait_until(self, condition: Callable[[], object], what: str, timeout: float) -> None:
        try:
            self._running().wait_until(condition, what, timeout=timeout)
        except LabError as error:
            raise LabError(f"{error}\n{self.log()[-4000:]}") from None

    def _run(self, command: list[str], given: bytes = b"") -> str:
        done = subprocess.run(command, input=given, capture_output=True, timeout=30, check=False)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="backslashreplace")


def _greets(port: int) -> bool:
    """Whether the listener answers; which greeting is the test's affair (a milter may refuse all)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            greeting = connection.recv(512)
            connection.sendall(b"QUIT\r\n")
            connection.recv(512)
    except OSError:
        return False
    return greeting[:1].isdigit()
