"""A mail that came back, read within limits.

The standard library's parser is not used: it takes any number of parts and any depth, its time grows with their
product, and odd fields make it raise errors of many kinds. This one reads what reports are made of, in time that grows
with the size: each octet is looked at once for each level of parts. Raises `MessageError` for what is beyond the
limits, and nothing else. Nothing of the content shows in a repr, so none gets into a log by mistake.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from consentmilter.errors import MessageError
from consentmilter.policy.mail import Headers
from consentmilter.reports import content, fields
from consentmilter.reports.fields import LIMITS, Limits
from consentmilter.reports.mailbox import author

_MAX_BOUNDARY = 200
"""RFC 2046 5.1.1 says 70 characters; some software does not count."""

_EMBEDDED = {
    "message/rfc822",
    "message/global",
    "message/rfc822-headers",
    "message/global-headers",
    "text/rfc822-headers",
}
"""What holds a message, or the header of one (RFC 2046 5.2.1, RFC 6522 3, RFC 6533 3)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A message or a part of one. `parts` are those of a multipart, or the message that is embedded."""

    media: str
    parameters: dict[str, str] = field(repr=False)
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    parts: tuple["Part", ...] = ()

    def octets(self) -> bytes:
        """The body without its transfer encoding, lines ending in LF."""
        return content.octets(self.headers, self.body)

    def text(self) -> str:
        """The body as text."""
        return content.text(self.octets(), self.parameters.get("charset", "utf-8"))

    def leaves(self) -> Iterator["Part"]:
        """The parts that hold no others, in order, without those of embedded messages."""
        if self.media.startswith("multipart/"):
            for part in self.parts:
                yield from part.leaves()
        else:
            yield self

    @property
    def embedded(self) -> "Part | None":
        """The message that this part holds, or its header."""
        return self.parts[0] if self.parts and self.media in _EMBEDDED else None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A mail to one of our addresses, whatever the address. `author` is the canonical address of its From, or None."""

    author: str | None
    root: Part

    @property
    def headers(self) -> Headers:
        return self.root.headers

    @property
    def auto_submitted(self) -> str:
        """The first word that is not `no` of an Auto-Submitted field (RFC 3834 5), else `no`."""
        words = (value.partition(";")[0].strip().lower() for value in self.headers.values("auto-submitted"))
        return next((word for word in words if word != "no"), "no")


def read(octets: bytes, limits: Limits = LIMITS) -> Incoming:
    """The message in `octets`, as it came over LMTP."""
    if len(octets) > limits.size:
        raise MessageError(f"the message is longer than {limits.size} octets")
    root = _Reader(limits).part(octets.replace(b"\r\n", b"\n"), 0)
    return Incoming(author(root.headers), root)


class _Reader:
    """Counts the parts of one message while it is read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts = 0

    def part(self, octets: bytes, depth: int) -> Part:
        if depth > self._limits.depth:
            raise MessageError(f"the message has parts within parts deeper than {self._limits.depth}")
        self._parts += 1
        if self._parts > self._limits.parts:
            raise MessageError(f"the message has more than {self._limits.parts} parts")
        headers, body = fields.split(octets, self._limits)
        media, parameters = content.media(headers)
        inner = tuple(self.part(each, depth + 1) for each in _inner(media, parameters, headers, body))
        return Part(media, parameters, headers, body, inner)


def _inner(media: str, parameters: dict[str, str], headers: Headers, body: bytes) -> Iterator[bytes]:
    if media in _EMBEDDED:
        yield content.octets(headers, body)
    elif media.startswith("multipart/"):
        boundary = parameters.get("boundary", "")
        if 0 < len(boundary) <= _MAX_BOUNDARY:
            yield from _sections(body, boundary.encode("utf-8", "surrogateescape"))


def _sections(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the lines of a boundary; the text before the first and behind the closing one is no part."""
    line = re.compile(rb"(?:\A|\n)--" + re.escape(boundary) + rb"(--)?[ \t]*+(?=\n|\Z)")
    start = None
    for match in line.finditer(body):
        if start is not None:
            yield body[start : match.start()]
        start = match.end() + 1
        if match[1]:
            return
    # A report that was cut off on its way has no closing line (RFC 2046 5.1.1 notwithstanding).
    if start is not None and start < len(body):
        yield body[start:]
