"""The header of a message in a file, field by field as Postfix would hand it to the milter.

Pure. No body is read: what comes behind the header stays where it is.
"""

import re
from collections.abc import Iterable

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
"""What Postfix takes for the beginning of a field (is_header.c)."""

_FROM_LINE = re.compile(rb">*From ", re.IGNORECASE)
"""The line that mailboxes have before a message; Postfix takes it for no field (smtpd.c, sendmail.c)."""


def header_fields(lines: Iterable[bytes]) -> list[tuple[str, str]]:
    """Name and value of every field; folds stay, octets that are no UTF-8 become lone surrogates."""
    fields: list[tuple[str, list[bytes]]] = []
    for line in _header(lines):
        if match := _FIELD.match(line):
            # Postfix takes one blank away behind the colon.
            fields.append((match[1].decode("ascii"), [line[match.end() :].removeprefix(b" ")]))
        else:
            fields[-1][1].append(line)
    return [(name, _text(b"\n".join(value))) for name, value in fields]


def _text(value: bytes) -> str:
    # The milter protocol has strings that end at a NUL.
    return value.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _header(lines: Iterable[bytes]) -> Iterable[bytes]:
    """The lines up to the first that is neither a field nor the continuation of one."""
    begun = False
    for ended in lines:
        line = ended.removesuffix(b"\n").removesuffix(b"\r")
        if not begun and _FROM_LINE.match(line):
            continue
        if not _FIELD.match(line) and not (begun and line.startswith((b" ", b"\t"))):
            return
        begun = True
        yield line
