"""A message as it was delivered: the envelope, and the content octet by octet.

Header fields are read off the octets, not by the `email` package, which normalises what a test wants to see.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """One message with its envelope."""

    mail_from: str
    mail_options: tuple[str, ...]
    rcpt_tos: tuple[str, ...]
    content: bytes

    @property
    def fields(self) -> list[tuple[str, str]]:
        """All header fields in their order: name, and unfolded value (RFC 5322, section 2.2.3)."""
        unfolded = re.sub(rb"\r\n(?=[ \t])", b"", self._parts()[0])
        pairs = (line.decode(errors="surrogateescape").partition(":") for line in unfolded.split(b"\r\n"))
        return [(name, value.strip()) for name, colon, value in pairs if colon]

    @property
    def body(self) -> bytes:
        return self._parts()[1]

    def headers(self, name: str) -> list[str]:
        """The values of all fields of this name."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of the only field of this name, None if there is none; two are an error."""
        values = self.headers(name)
        assert len(values) <= 1, f"{len(values)} fields {name}: {values}"
        return values[0] if values else None

    def _parts(self) -> tuple[bytes, bytes]:
        head, _, body = self.content.partition(b"\r\n\r\n")
        return head, body
