"""An MTA that can offer less, or more, than Postfix 3.7 does, and otherwise does as Postfix does."""

import contextlib
import fcntl
import socket
import struct
import termios

from lab.milter_protocol import NEGOTIATE, VERSION, Action, MilterReply, Protocol, parse_macro_lists
from lab.mta import Macros, Mta

ALL_ACTIONS = 0x1FF
ALL_STEPS = 0x1FFFFF


class OfferingMta(Mta):
    """`version`, `actions` and `steps` are what it offers; what came of it is in `agreed`, version, actions, steps."""

    def __init__(
        self,
        at: str,
        *,
        version: int = VERSION,
        actions: int = ALL_ACTIONS,
        steps: int = ALL_STEPS,
        timeout: float = 10,
    ) -> None:
        super().__init__(at, timeout=timeout)
        self._offer = (version, actions, steps)
        self.agreed = (0, 0, 0)

    def negotiate(self) -> None:
        self.send_frame(NEGOTIATE, struct.pack(">III", *self._offer))
        letter, data = self.read_frame()
        assert letter == NEGOTIATE, letter
        version, actions, steps = struct.unpack_from(">III", data)
        self.agreed = (version, actions, steps)
        self.actions, self.protocol = Action(actions), Protocol(steps)
        self.wanted_macros = parse_macro_lists(data[12:])

    def mail(self, raw_sender: str | bytes, macros: Macros | None = None, *parameters: str) -> MilterReply:
        """MAIL, with Postfix's own name among the macros as always, whether there is a login or not."""
        return super().mail(raw_sender, {**(macros or {}), "j": "mx.example.org"}, *parameters)

    def drop(self) -> None:
        """Hang up without a word, as a killed smtpd(8) does; over TCP with a reset."""
        connection = self._connection()
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        self._socket = None

    def is_read(self) -> bool:
        """Whether the milter has read all that was sent; on a unix socket."""
        return fcntl.ioctl(self._connection(), termios.TIOCOUTQ, bytes(4)) == bytes(4)

    def finish(self) -> None:
        """Say that nothing more comes, and still listen."""
        with contextlib.suppress(OSError):
            self._connection().shutdown(socket.SHUT_WR)

    def drain(self) -> None:
        """Read to the end of what the milter says."""
        with contextlib.suppress(ConnectionError):
            while self._connection().recv(65536):
                pass
