"""The milter protocol, version 6, as octets and words: frames, flags, replies and edits.

Pure: no sockets. The letters and bits are those of libmilter's mfapi.h and mfdef.h; what a bare reply means to an SMTP
client is what Postfix makes of it (milter8.c, smtpd_milter.c). Raises `LabError` for a frame that breaks the protocol.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag, IntEnum
from typing import Self

from lab.errors import LabError
from lab.reply import Reply

VERSION = 6


class Action(Flag):
    """What a milter may ask to be done to a message (SMFIF_*)."""

    ADDHDRS = 0x1
    CHGBODY = 0x2
    ADDRCPT = 0x4
    DELRCPT = 0x8
    CHGHDRS = 0x10
    QUARANTINE = 0x20
    CHGFROM = 0x40
    ADDRCPT_PAR = 0x80
    SETSYMLIST = 0x100


class Protocol(Flag):
    """Which events a milter does not want (NO*), and which it does not answer (NR_*) (SMFIP_*)."""

    NOCONNECT = 0x1
    NOHELO = 0x2
    NOMAIL = 0x4
    NORCPT = 0x8
    NOBODY = 0x10
    NOHDRS = 0x20
    NOEOH = 0x40
    NR_HDR = 0x80
    NOUNKNOWN = 0x100
    NODATA = 0x200
    SKIP = 0x400
    RCPT_REJ = 0x800
    NR_CONN = 0x1000
    NR_HELO = 0x2000
    NR_MAIL = 0x4000
    NR_RCPT = 0x8000
    NR_DATA = 0x10000
    NR_UNKN = 0x20000
    NR_EOH = 0x40000
    NR_BODY = 0x80000
    HDR_LEADSPC = 0x100000


class Stage(IntEnum):
    """The stages for which a milter may name the macros that it wants (SMFIM_*)."""

    CONNECT = 0
    HELO = 1
    MAIL = 2
    RCPT = 3
    DATA = 4
    EOM = 5
    EOH = 6


class Kind(Enum):
    """How a milter answered an event."""

    CONTINUE = "continue"
    ACCEPT = "accept"
    REJECT = "reject"
    TEMPFAIL = "tempfail"
    DISCARD = "discard"
    REPLYCODE = "replycode"
    SKIP = "skip"
    SHUTDOWN = "shutdown"
    NO_REPLY = "no reply"  # it negotiated that it does not answer this event
    NOT_SENT = "not sent"  # it negotiated that it does not get this event


# The letter of a reply, its kind, and what Postfix says to the client for it.
REPLIES = {
    b"c": (Kind.CONTINUE, 250, "Ok"),
    b"a": (Kind.ACCEPT, 250, "Ok"),
    b"d": (Kind.DISCARD, 250, "Ok"),
    b"s": (Kind.SKIP, 250, "Ok"),
    b"r": (Kind.REJECT, 550, "5.7.1 Command rejected"),
    b"t": (Kind.TEMPFAIL, 451, "4.7.1 Service unavailable - try again later"),
    b"4": (Kind.SHUTDOWN, 421, "4.7.0 Server closing connection"),
}
# The letter of an edit, its name, and whether an index and a header's name come before its value.
EDITS = {
    b"+": ("addrcpt", False, False),
    b"2": ("addrcpt", False, False),
    b"-": ("delrcpt", False, False),
    b"e": ("chgfrom", False, False),
    b"q": ("quarantine", False, False),
    b"h": ("addheader", False, True),
    b"i": ("insheader", True, True),
    b"m": ("chgheader", True, True),
}
REPLYCODE, PROGRESS, NEGOTIATE, REPLACE_BODY = b"y", b"p", b"O", b"b"


@dataclass(frozen=True, slots=True)
class MilterReply(Reply):
    """What the milter answered, and code and text as Postfix would pass them on."""

    kind: Kind

    def is_a(self, kind: Kind) -> Self:
        """Hold that the milter answered in this way."""
        assert self.kind is kind, f"expected {kind.value}, got {self.kind.value}: {self}"
        return self

    @property
    def goes_on(self) -> bool:
        """Whether the message goes on to the next event."""
        return self.kind in (Kind.CONTINUE, Kind.NO_REPLY, Kind.NOT_SENT)

    @classmethod
    def of(cls, kind: Kind) -> Self:
        """The reply to an event that the milter does not answer or does not get."""
        return cls(250, "Ok", kind)

    @classmethod
    def parse(cls, letter: bytes, data: bytes) -> Self:
        if letter == REPLYCODE:
            # Postfix turns "%%" into "%" and drops a single one.
            text = data.rstrip(b"\0").decode(errors="backslashreplace").replace("%%", "%").replace("\r\n", "\n")
            return cls(int(text[:3]), text[4:], Kind.REPLYCODE)
        if letter not in REPLIES:
            raise LabError(f"no reply of the milter protocol: {letter!r} {data[:80]!r}")
        kind, code, words = REPLIES[letter]
        return cls(code, words, kind)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to the message, asked for at its end.

    `index` counts headers of one name from 1 (chgheader) or is a position (insheader); `value` is a header's value,
    an address, or the reason of a quarantine.
    """

    what: str
    value: str = ""
    name: str = ""
    index: int = 0


def frame(letter: bytes, data: bytes = b"") -> bytes:
    """A packet: length, letter, data."""
    return struct.pack(">I", len(letter + data)) + letter + data


def strings(*texts: str | bytes) -> bytes:
    """Octet strings, each with its NUL."""
    octets = (text.encode(errors="surrogateescape") if isinstance(text, str) else text for text in texts)
    return b"".join(text + b"\0" for text in octets)


def macros_frame(letter: bytes, macros: Mapping[str, str]) -> bytes:
    """The macros for the event of this letter; a name of several characters travels in braces."""
    pairs = ((name if len(name) == 1 else f"{{{name}}}", value) for name, value in macros.items())
    return frame(b"D", letter + strings(*(text for pair in pairs for text in pair)))


def parse_edit(letter: bytes, data: bytes) -> Edit | None:
    """The edit that a frame asks for; None for a frame that is something else."""
    if letter == REPLACE_BODY:
        return Edit("replbody", data.decode(errors="surrogateescape"))
    if letter not in EDITS:
        return None
    what, indexed, named = EDITS[letter]
    index = 0
    if indexed:
        (index,) = struct.unpack_from(">I", data)
        data = data[4:]
    *name, value = _texts(data, 2 if named else 1)
    return Edit(what, value, "".join(name), index)


def parse_macro_lists(data: bytes) -> dict[Stage, list[str]]:
    """The macros that the milter wants at each stage: number, NUL-terminated list, and again."""
    lists = {}
    while data:
        (stage,) = struct.unpack_from(">I", data)
        names, _, data = data[4:].partition(b"\0")
        lists[Stage(stage)] = names.decode().split()
    return lists


def _texts(data: bytes, count: int) -> list[str]:
    texts = [text.decode(errors="surrogateescape") for text in data.split(b"\0")[:count]]
    if len(texts) < count or b"\0" not in data:
        raise LabError(f"a frame of {count} strings is cut short: {data[:80]!r}")
    return texts
