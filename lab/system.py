"""A whole mail system in a directory: Postfix, consentmilter as an admin would run it, and a sink.

    with System(directory, config={"mode": "enforce", ...}) as system:
        system.suppress("bob@example.org")
        with system.client() as smtp: ...

Raises `LabError` when something does not start or a command fails.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.client import Client
from lab.milter import Milter
from lab.postfix import Postfix
from lab.postfix_files import Service
from lab.process import Process
from lab.sink import Sink

USERS = dict.fromkeys(("newsletter", "release-bot", "alice"), "secret")


class System(Milter):
    """Postfix with consentmilter attached to `smtpd_milters` and `non_smtpd_milters`, and a sink behind it.

    `config` is that of consentmilter (see `Milter`). `services`, `main` and `master` are Postfix's; `{milter}` in their
    values stands for the milter's socket.
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
        super().__init__(directory, config=config)
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

    def start(self) -> None:
        super().start()
        self.sink.start()
        self.postfix.start()

    def stop(self) -> None:
        self.postfix.stop()
        super().stop()
        self.sink.stop()

    @property
    def milter(self) -> Process:
        """The process of consentmilter; a test may put another in its place before the start."""
        return self.process

    @milter.setter
    def milter(self, process: Process) -> None:
        self.process = process

    def renew(self, config: Mapping[str, Any]) -> None:
        """Begin anew under this configuration, as a system just started would: empty list, sink, log and journal."""
        self.postfix.drain()
        super().renew(config)
        self.sink.clear()

    def client(self, service: str = "smtp", *, login: str | None = None) -> Client:
        """An SMTP session, with a login if asked for."""
        return Client(self.postfix.port(service), login=(login, USERS[login]) if login else None)

    def _with_socket(self, service: Service) -> Service:
        options = {key: value.replace("{milter}", self.socket) for key, value in service.options.items()}
        return Service(service.name, service.port, options)
