"""The header fields at the start of octets, within limits.

A header ends at the first line that is no field, as Postfix's cleanup(8) and the verifiers of DKIM see it: a reader
that goes on where they stop would see another From than they did. Values are UTF-8 (RFC 6532); other octets become
lone surrogates (PEP 383). Raises `MessageError` for more or longer fields than the limits allow.
"""

import re
from dataclasses import dataclass

from consentmilter.errors import MessageError
from consentmilter.policy.mail import Header, Headers


@dataclass(frozen=True, slots=True)
class Limits:
    """How large and how odd a message may be; beyond, it is not read at all."""

    size: int = 1 << 20
    """Octets."""

    fields: int = 500
    """Header fields of the message and of each part."""

    field_octets: int = 1 << 16
    """Octets of one field with its folds; Postfix cuts at 102,400 for the whole header."""

    depth: int = 10
    """Parts within parts."""

    parts: int = 200
    """Parts in all."""


LIMITS = Limits()

# RFC 5322 2.2: printable ASCII without the colon; blanks before the colon are obsolete, but do arrive.
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_MBOX = (b"From ", b">From ")


def split(octets: bytes, limits: Limits = LIMITS) -> tuple[Headers, bytes]:
    """The header fields at the start of `octets`, whose lines end in LF, and the rest of them as body.

    The first line may be the separator of an mbox file, which some report embed with the message.
    """
    start = octets.find(b"\n") + 1 if octets.startswith(_MBOX) else 0
    fields: list[Header] = []
    while match := _FIELD.match(octets, start):
        end = _end_of_field(octets, match.end())
        if len(fields) == limits.fields:
            raise MessageError(f"the message has more than {limits.fields} header fields in one place")
        if end - start > limits.field_octets:
            raise MessageError(f"the message has a header field longer than {limits.field_octets} octets")
        fields.append(Header(_text(match[1]).lower(), _text(octets[match.end() : end].strip())))
        start = end
    if octets.startswith(b"\n", start):
        start += 1
    return Headers(tuple(fields)), octets[start:]


def _end_of_field(octets: bytes, start: int) -> int:
    while (newline := octets.find(b"\n", start)) >= 0:
        start = newline + 1
        if octets[start : start + 1] not in (b" ", b"\t"):
            return start
    return len(octets)


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")
