"""Postfix's side of the milter protocol, for what Postfix itself never sends.

    with Mta(socket) as mta:
        mta.connect(), mta.helo(), mta.mail("<news@acme.example>", {"auth_authen": "newsletter"})
        mta.rcpt("<bob@example.org>").expects(550, "opted out")

Entering the block connects and negotiates as Postfix 3.7 does. An event that the milter does not want is not sent, an
answer that it does not give is not waited for. Order and sense of the events are the test's affair, macros too: those
given are sent, wanted or not. Raises `MilterGoneError` when the milter hangs up, `TimeoutError` when it is silent.
"""

import socket
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError, MilterGoneError
from lab.milter_protocol import (
    NEGOTIATE,
    PROGRESS,
    VERSION,
    Action,
    Edit,
    Kind,
    MilterReply,
    Protocol,
    Stage,
    frame,
    macros_frame,
    parse_edit,
    parse_macro_lists,
    strings,
)
from lab.process import PATIENCE

__all__ = ["Action", "Edit", "Kind", "MilterReply", "Mta", "Protocol", "Stage"]

OFFERED_ACTIONS = ~Action(0)
OFFERED_PROTOCOL = ~Protocol(0)

Macros = Mapping[str, str]


class Mta:
    """One connection to a milter, that is, one SMTP session.

    `actions` and `protocol` are what the milter asked for, `wanted_macros` the macros that it named, by stage;
    `edits` are those of the last end of message.
    """

    def __init__(self, at: str | Path, *, timeout: float = PATIENCE) -> None:
        self._at = at
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self.actions = Action(0)
        self.protocol = Protocol(0)
        self.wanted_macros: dict[Stage, list[str]] = {}
        self.edits: list[Edit] = []
        self.progress = 0

    def __enter__(self) -> Self:
        try:
            self.open()
            self.negotiate()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Connect, and say nothing yet."""
        family, address = _address(self._at)
        self._socket = socket.socket(family)
        self._socket.settimeout(self._timeout)
        self._socket.connect(address)

    def negotiate(self) -> None:
        """Offer everything, as Postfix does, and take what the milter chooses."""
        self.send_frame(NEGOTIATE, struct.pack(">III", VERSION, OFFERED_ACTIONS.value, OFFERED_PROTOCOL.value))
        letter, data = self.read_frame()
        if letter != NEGOTIATE:
            raise LabError(f"the milter answered {letter!r} to the negotiation")
        _, actions, protocol = struct.unpack_from(">III", data)
        self.actions, self.protocol = Action(actions), Protocol(protocol)
        self.wanted_macros = parse_macro_lists(data[12:])

    def connect(
        self,
        host: str = "client.example",
        address: str = "127.0.0.1",
        port: int = 40000,
        macros: Macros | None = None,
    ) -> MilterReply:
        family = b"6" if ":" in address else b"4"
        data = strings(host) + family + struct.pack(">H", port) + strings(address)
        return self._event(b"C", data, macros, Protocol.NOCONNECT, Protocol.NR_CONN)

    def helo(self, name: str | bytes = "client.example", macros: Macros | None = None) -> MilterReply:
        return self._event(b"H", strings(name), macros, Protocol.NOHELO, Protocol.NR_HELO)

    def mail(self, raw_sender: str | bytes, macros: Macros | None = None, *parameters: str) -> MilterReply:
        """MAIL with its argument as typed, `<>` included."""
        return self._event(b"M", strings(raw_sender, *parameters), macros, Protocol.NOMAIL, Protocol.NR_MAIL)

    def rcpt(self, raw_recipient: str | bytes, macros: Macros | None = None, *parameters: str) -> MilterReply:
        return self._event(b"R", strings(raw_recipient, *parameters), macros, Protocol.NORCPT, Protocol.NR_RCPT)

    def data(self, macros: Macros | None = None) -> MilterReply:
        return self._event(b"T", b"", macros, Protocol.NODATA, Protocol.NR_DATA)

    def header(self, name: str | bytes, value: str | bytes) -> MilterReply:
        """A field as Postfix gives it: without the space after the colon, folded with LF."""
        if Protocol.HDR_LEADSPC in self.protocol:
            value = " " + value if isinstance(value, str) else b" " + value
        return self._event(b"L", strings(name, value), None, Protocol.NOHDRS, Protocol.NR_HDR)

    def eoh(self, macros: Macros | None = None) -> MilterReply:
        return self._event(b"N", b"", macros, Protocol.NOEOH, Protocol.NR_EOH)

    def body(self, chunk: bytes) -> MilterReply:
        return self._event(b"B", chunk, None, Protocol.NOBODY, Protocol.NR_BODY)

    def eom(self, macros: Macros | None = None) -> MilterReply:
        """End of message; what the milter asks to be changed is in `edits` afterwards."""
        self.edits, self.progress = [], 0
        return self._event(b"E", b"", macros, Protocol(0), Protocol(0))

    def abort(self) -> None:
        """The end of a message that was not finished, or, from Postfix, of any."""
        self.send_frame(b"A")

    def quit(self) -> None:
        """The end of the session."""
        self.send_frame(b"Q")

    def message(
        self,
        raw_sender: str,
        *raw_recipients: str,
        headers: Iterable[tuple[str, str]] = (),
        macros: Macros | None = None,
    ) -> MilterReply:
        """A whole message, up to the first answer that ends it; `macros` go with MAIL, a queue id with DATA and on.

        A recipient that is refused is left out, and when none is left, the refusal is the answer.
        """
        reply = self.mail(raw_sender, macros)
        if not reply.goes_on:
            return reply
        answers = [self.rcpt(recipient) for recipient in raw_recipients]
        if not any(answer.goes_on for answer in answers):
            return answers[-1]
        for reply in self._content(headers, {"i": "4XyZ12abcd"}):
            if not reply.goes_on:
                break
        return reply

    def _content(self, headers: Iterable[tuple[str, str]], macros: Macros) -> Iterator[MilterReply]:
        yield self.data(macros)
        for name, value in headers:
            yield self.header(name, value)
        yield self.eoh(macros)
        yield self.eom(macros)

    def hung_up(self) -> bool:
        """Whether the milter closes the connection, rather than to say something or to wait."""
        try:
            return self._connection().recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def send_frame(self, letter: bytes, data: bytes = b"") -> None:
        self.send_raw(frame(letter, data))

    def send_raw(self, octets: bytes) -> None:
        """Send anything at all."""
        try:
            self._connection().sendall(octets)
        except ConnectionError as error:
            raise MilterGoneError(f"the milter has hung up: {error}") from error

    def read_frame(self) -> tuple[bytes, bytes]:
        """The next packet of the milter: its letter and its data."""
        (length,) = struct.unpack(">I", self._read(4))
        packet = self._read(length)
        return packet[:1], packet[1:]

    def close(self) -> None:
        """Leave with SMFIC_QUIT, if there is still somebody to tell."""
        if self._socket is None:
            return
        try:
            self.quit()
        except (MilterGoneError, OSError):
            pass
        finally:
            self._socket.close()
            self._socket = None

    def _event(
        self, letter: bytes, data: bytes, macros: Macros | None, unwanted: Protocol, unanswered: Protocol
    ) -> MilterReply:
        if self.protocol & unwanted:
            return MilterReply.of(Kind.NOT_SENT)
        if macros:
            self.send_raw(macros_frame(letter, macros))
        self.send_frame(letter, data)
        return MilterReply.of(Kind.NO_REPLY) if self.protocol & unanswered else self._reply()

    def _reply(self) -> MilterReply:
        while True:
            letter, data = self.read_frame()
            if letter == PROGRESS:
                self.progress += 1
            elif (edit := parse_edit(letter, data)) is not None:
                self.edits.append(edit)
            else:
                return MilterReply.parse(letter, data)

    def _read(self, count: int) -> bytes:
        octets = b""
        while len(octets) < count:
            try:
                more = self._connection().recv(count - len(octets))
            except ConnectionError as error:
                raise MilterGoneError(f"the milter has hung up: {error}") from error
            if not more:
                raise MilterGoneError("the milter has hung up instead of answering")
            octets += more
        return octets

    def _connection(self) -> socket.socket:
        if self._socket is None:
            raise LabError("the Mta is not connected: use it in a with block, or open() it")
        return self._socket


def _address(at: str | Path) -> tuple[socket.AddressFamily, str | tuple[str, int]]:
    """The address behind a path or a socket in libmilter's notation: `unix:/path`, `inet:port@host`."""
    match str(at).split(":", 1):
        case ["unix" | "local", path]:
            return socket.AF_UNIX, path
        case ["inet", place]:
            port, _, host = place.partition("@")
            return socket.AF_INET, (host or "127.0.0.1", int(port))
    return socket.AF_UNIX, str(at)
