"""A private PostgreSQL server of Debian's package, on loopback, and databases in it.

It has one superuser, `postgres`, whom it trusts from 127.0.0.1 and through its unix socket. PostgreSQL refuses to run
as root, so that root starts it as the package's own user. Raises `LabError` when it is missing or does not start.
"""

import os
import pwd
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import Any

import psycopg
from psycopg import sql

from lab.errors import LabError
from lab.part import Part
from lab.ports import free_port
from lab.process import Process, session_members, wait_for

USER = "postgres"

_PROGRAMS = Path("/usr/lib/postgresql")

FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For servers whose data nobody misses after a crash of the machine."""


def program(name: str) -> Path:
    """One of the newest installed server's programs."""
    found = sorted(_PROGRAMS.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise LabError(f"there is no {name} below {_PROGRAMS}: install Debian's postgresql")
    return found[-1]


def as_user(*words: str | Path) -> list[str]:
    """The words of a command that runs as PostgreSQL's user if root starts it."""
    own = [str(word) for word in words]
    if os.geteuid() != 0:
        return own
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *own]


class PostgreSql(Part):
    """A server in an empty directory that other users can enter (see `lab.directory`).

    `settings` go into its postgresql.conf; start it again after `kill` or `stop` and it has its data still.
    """

    def __init__(self, directory: Path, *, settings: Mapping[str, str] = FAST, port: int | None = None) -> None:
        self.data = directory / "pgdata"
        self.port = port or free_port()
        self._directory = directory
        self._settings = settings
        self.process = Process(
            as_user(program("postgres"), "-D", self.data), name="postgres", environment={"LC_ALL": "C.UTF-8"}
        )

    def start(self) -> None:
        if not self.data.exists():
            self.make_cluster()
        self.process.start()
        self.process.wait_until(self._is_ready, "its connections", timeout=30.0)

    def stop(self) -> None:
        # A SIGTERM would wait for every client to leave; a SIGINT ends their sessions.
        self.process.signal(SIGINT)
        self.process.stop()

    def make_cluster(self) -> None:
        """Make the empty cluster."""
        self._own(self._directory)
        run_as_user(program("initdb"), "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync",
                    "--locale=C.UTF-8")  # fmt: skip
        self.configure(self._settings)

    def configure(self, settings: Mapping[str, str]) -> None:
        """Add settings, for the next start."""
        common = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
            "max_connections": "100",
            "log_min_messages": "warning",
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in {**common, **settings}.items())

    def processes(self) -> list[int]:
        """The ids of the server and of those of its processes that serve somebody; each leads a session of its own."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii")
        return [self.process.pid, *map(int, children.split())]

    def crash(self) -> None:
        """End all its processes by SIGKILL at once; it can be started again."""
        every = self.processes()
        for pid in every:
            with suppress(ProcessLookupError):
                os.kill(pid, SIGKILL)
        # The next start is refused while one of them still has the shared memory of this one.
        wait_for(lambda: not any(map(session_members, every)), "the end of all processes of PostgreSQL")
        self.process.stop()

    def url(self, database: str, user: str = USER) -> str:
        """A store URL."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str, template: str = "template0") -> str:
        """Make a database, a copy of another one if it is named; return its URL."""
        words = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self.execute(words)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: str | sql.Composed, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as superuser, by itself; its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _is_ready(self) -> bool:
        """Whether its state file is of this start, and says so."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.process.pid)] and lines[-1].strip() == "ready"

    def _own(self, directory: Path) -> None:
        if os.geteuid() == 0:
            account = pwd.getpwnam(USER)
            os.chown(directory, account.pw_uid, account.pw_gid)


def run_as_user(*words: str | Path) -> None:
    """Run one of the package's programs to its end."""
    done = subprocess.run(as_user(*words), capture_output=True, text=True, cwd="/", check=False)
    if done.returncode != 0:
        raise LabError(f"{Path(str(words[0])).name} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
