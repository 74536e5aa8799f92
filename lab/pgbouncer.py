"""Debian's PgBouncer in transaction mode, on loopback in front of a private PostgreSQL.

Apart from where it is and whom it lets in, it is set up as the package leaves it: startup parameters that it does not
know are refused, and no statement prepared in one transaction is there in the next. Raises `LabError` when it is
missing or does not start.
"""

import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

from lab.errors import LabError
from lab.part import Part
from lab.ports import free_port
from lab.postgres import USER, PostgreSql, as_user
from lab.process import Process


class PgBouncer(Part):
    """A pooler whose clients of any database end up in `server`; `users` may come besides the superuser.

    `settings` stand in its section [pgbouncer]. Its files lie in `directory`, which other users can enter.
    """

    def __init__(
        self,
        directory: Path,
        server: PostgreSql,
        *,
        users: tuple[str, ...] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self._server = server
        self._users = (USER, *users)
        self._settings = settings or {}
        self._file = directory / "pgbouncer.ini"
        self._people = directory / "userlist.txt"
        self.process = Process(as_user(_program(), self._file), name="pgbouncer")

    def start(self) -> None:
        self._people.write_text("".join(f'"{user}" ""\n' for user in self._users))
        self._file.write_text("\n".join(self._lines()) + "\n")
        self.process.start()
        self.process.wait_until(self._answers, "its connections", timeout=20.0)

    def stop(self) -> None:
        # At a SIGTERM it goes at once; a SIGINT would wait for its clients.
        self.process.stop()

    def url(self, database: str, user: str = USER) -> str:
        """A store URL."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def _lines(self) -> list[str]:
        own = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self._people),
            "admin_users": USER,
            "pool_mode": "transaction",
        }
        settings = {**own, **self._settings}
        return [
            "[databases]",
            f"* = host=127.0.0.1 port={self._server.port}",
            "[pgbouncer]",
            *(f"{name} = {value}" for name, value in settings.items()),
        ]

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            return False
        return True


def _program() -> str:
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin")
    if program is None:
        raise LabError("there is no pgbouncer: install Debian's package of this name")
    return program
