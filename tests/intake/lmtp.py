"""An LMTP client that shows every reply: `smtplib.LMTP` reads one for a whole message."""

import re
import socket
from types import TracebackType
from typing import Self

from lab.reply import Reply


class Lmtp:
    """One connection to the intake, past its LHLO."""

    def __init__(self, path: str, *, greet: bool = True) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(path)
        self._file = self._socket.makefile("rwb")
        self._let_in = 0
        self.greeting = self.reply()
        self.hello = self.command("LHLO client.example") if greet else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        self._socket.close()

    def command(self, line: str | bytes) -> Reply:
        self.write((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.reply()

    def mail(self, sender: str = "ann@example.org", options: str = "") -> Reply:
        self._let_in = 0
        return self.command(f"MAIL FROM:<{sender}>{options}")

    def rcpt(self, recipient: str) -> Reply:
        reply = self.command(f"RCPT TO:<{recipient}>")
        self._let_in += reply.code == 250
        return reply

    def data(self, content: bytes) -> list[Reply]:
        """Send the message; the replies to its end, one for each recipient that was let in."""
        self.command("DATA").expects(354)
        lines = content if content.endswith(b"\r\n") else content + b"\r\n"
        self.write(re.sub(rb"(?m)^\.", b"..", lines) + b".\r\n")
        return [self.reply() for _ in range(self._let_in)]

    def send(self, content: bytes, *recipients: str, sender: str = "ann@example.org") -> list[Reply]:
        self.mail(sender).expects(250)
        for recipient in recipients:
            self.rcpt(recipient).expects(250)
        return self.data(content)

    def write(self, octets: bytes) -> None:
        self._file.write(octets)
        self._file.flush()

    def reply(self) -> Reply:
        lines = [self._file.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(self._file.readline())
        assert lines[-1].endswith(b"\r\n"), f"the connection ended: {lines}"
        return Reply(int(lines[0][:3]), "\n".join(line[4:].decode().strip() for line in lines))

    def nothing_more(self) -> bool:
        """Whether nothing was said beyond what was asked: a QUIT is answered at once."""
        return self.command("QUIT").code == 221 and self._file.read() == b""
