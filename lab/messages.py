"""Messages for tests and demonstrations, octet by octet as they go over the wire."""

from collections.abc import Iterable, Mapping
from email.utils import formatdate, make_msgid

Field = tuple[str, str | bytes]


def message(
    *,
    subject: str = "Hello",
    to: str = "bob@example.org",
    sender: str = "news@test.example",
    headers: Mapping[str, str | bytes] | Iterable[Field] = (),
    body: str | bytes = "Hello, this is news.\r\n",
) -> bytes:
    """A message with CRLF line ends.

    `headers` are added after the usual fields, and stand instead of them where they have the same name; pairs may
    repeat a name. Nothing is folded or encoded: text goes out as UTF-8.
    """
    given: list[Field] = list(headers.items() if isinstance(headers, Mapping) else headers)
    replaced = {name.lower() for name, _ in given}
    usual: list[Field] = [
        ("From", sender),
        ("To", to),
        ("Subject", subject),
        ("Date", formatdate()),
        ("Message-ID", make_msgid(domain="test.example")),
    ]
    fields = [field for field in usual if field[0].lower() not in replaced] + given
    return (
        b"".join(name.encode() + b": " + _octets(value) + b"\r\n" for name, value in fields) + b"\r\n" + _octets(body)
    )


def _octets(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
