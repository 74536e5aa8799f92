"""Where a private Postfix's mail ends: an SMTP server that keeps what it gets.

`Sink` is an aiosmtpd server on a free loopback port in a thread of its own. It records envelope and content as they
came over the wire, knows SMTPUTF8 and 8BITMIME, and can be told to refuse an address. All its methods may be called
from any thread. Raises `LabError` when mail is waited for in vain.
"""

import asyncio
import socket
import threading
from concurrent.futures import Future
from functools import partial

from aiosmtpd.smtp import SMTP, Envelope, Session

from lab.delivered import Delivered
from lab.errors import LabError
from lab.part import Part
from lab.process import PATIENCE

LARGEST = 64 * 1024 * 1024


class Sink(Part):
    """An SMTP server that accepts and remembers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._messages: list[Delivered] = []
        self._refusals: dict[str, str] = {}
        self._changed = threading.Condition()
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._leave = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="sink", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.result().call_soon_threadsafe(self._leave.set)
            self._thread.join()
        self._socket.close()

    @property
    def messages(self) -> list[Delivered]:
        """All messages so far, in the order in which they came."""
        with self._changed:
            return list(self._messages)

    def to(self, address: str) -> list[Delivered]:
        """The messages that had this envelope recipient."""
        return [message for message in self.messages if address in message.rcpt_tos]

    def wait(self, count: int = 1, *, timeout: float = PATIENCE) -> list[Delivered]:
        """Wait until there are `count` messages and return all there are."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._messages) >= count, timeout):
                raise LabError(f"the sink got {len(self._messages)} messages in {timeout:g} s, not {count}")
            return list(self._messages)

    def clear(self) -> None:
        """Forget all messages."""
        with self._changed:
            self._messages.clear()

    def refuse(self, address: str, reply: str = "550 5.1.1 No such user") -> None:
        """Answer this reply to this envelope recipient from now on."""
        self._refusals[address] = reply

    async def handle_RCPT(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self._refusals:
            return self._refusals[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        assert isinstance(envelope.content, bytes)  # because of decode_data=False
        message = Delivered(
            mail_from="" if envelope.mail_from in (None, "<>") else str(envelope.mail_from),
            mail_options=tuple(envelope.mail_options),
            rcpt_tos=tuple(envelope.rcpt_tos),
            content=envelope.content,
        )
        with self._changed:
            self._messages.append(message)
            self._changed.notify_all()
        return "250 2.0.0 OK"

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(partial(self._session, loop), sock=self._socket)
        self._loop.set_result(loop)
        await self._leave.wait()
        # What still serves open connections (Postfix keeps some for more mail) is cancelled by asyncio.run.
        server.close()

    def _session(self, loop: asyncio.AbstractEventLoop) -> SMTP:
        return SMTP(
            self,
            data_size_limit=LARGEST,
            enable_SMTPUTF8=True,
            decode_data=False,
            hostname="sink.example",
            ident="sink",
            loop=loop,
        )
