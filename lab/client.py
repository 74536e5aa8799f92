"""An SMTP client whose calls read as the dialogue that they hold.

    with Client(postfix.port("submission"), login=("newsletter", "secret")) as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550, "opted out")

Each command returns the `Reply`; nothing is raised for a refusal, and `OSError` (of which smtplib's
`SMTPServerDisconnected` is one) when the server hangs up or does not answer in time.
"""

import base64
import re
import smtplib
from types import TracebackType
from typing import Self

from lab.messages import message
from lab.reply import Reply

__all__ = ["Client", "Reply", "message"]


class Client:
    """One SMTP session with a server on loopback, past its EHLO and, if asked for, a login."""

    def __init__(
        self,
        port: int,
        *,
        login: tuple[str, str] | None = None,
        name: str = "client.example",
        timeout: float = 20.0,
    ) -> None:
        self._smtp = smtplib.SMTP(timeout=timeout)
        self.greeting = Reply(*_decoded(self._smtp.connect("127.0.0.1", port)))
        if self.greeting.code == 220:
            self.ehlo(name)
        if login is not None:
            self.login(*login).expects(235)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def ehlo(self, name: str) -> Reply:
        return self.command(f"EHLO {name}")

    def login(self, user: str, password: str) -> Reply:
        """AUTH PLAIN (RFC 4616)."""
        response = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        return self.command(f"AUTH PLAIN {response}")

    def mail(self, sender: str | bytes, *options: str) -> Reply:
        return self.command(b" ".join([b"MAIL FROM:" + _path(sender), *map(str.encode, options)]))

    def rcpt(self, recipient: str | bytes, *options: str) -> Reply:
        return self.command(b" ".join([b"RCPT TO:" + _path(recipient), *map(str.encode, options)]))

    def data(self, content: bytes) -> Reply:
        """Send the message; the reply is the one to its end, or the one to DATA where that is a refusal."""
        reply = self.command("DATA")
        if reply.code != 354:
            return reply
        lines = content if content.endswith(b"\r\n") else content + b"\r\n"
        return self.command(re.sub(rb"(?m)^\.", b"..", lines) + b".")

    def rset(self) -> Reply:
        return self.command("RSET")

    def send(self, content: bytes, *recipients: str | bytes, sender: str | bytes = "news@test.example") -> Reply:
        """Hand in a whole message, every recipient of which must be accepted."""
        self.mail(sender).expects(250)
        for recipient in recipients:
            self.rcpt(recipient).expects(250)
        return self.data(content)

    def command(self, line: str | bytes) -> Reply:
        """Send anything at all as one command."""
        octets = line.encode() if isinstance(line, str) else line
        self._smtp.send(octets + b"\r\n")
        return Reply(*_decoded(self._smtp.getreply()))

    def close(self) -> None:
        """Leave with QUIT, if there is still somebody to tell."""
        try:
            self.command("QUIT")
        except OSError:
            return
        finally:
            self._smtp.close()


def _path(address: str | bytes) -> bytes:
    octets = address.encode() if isinstance(address, str) else address
    return b"<" + octets + b">"


def _decoded(reply: tuple[int, bytes]) -> tuple[int, str]:
    return reply[0], reply[1].decode(errors="backslashreplace")
