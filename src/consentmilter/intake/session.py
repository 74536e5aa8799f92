"""One LMTP connection of Postfix (RFC 2033), on top of aiosmtpd: what that does otherwise is put right here.

It answers the end of a message once for each recipient that was let in, in their order, whatever the answer is. An
exception on the way is answered `451 4.3.0` by the handler, without detail. No AUTH, no STARTTLS, no questions about
users. Raises nothing.
"""

import asyncio
from collections import defaultdict

from aiosmtpd.lmtp import LMTP

HOSTNAME = "consentmilter.invalid"
"""How we introduce ourselves; asking for the machine's own name could mean a look-up in the DNS."""

TIMEOUT = 300.0
"""Seconds from one command to the next, and for a whole message: RFC 5321 section 4.5.3.2.7."""

COMMAND_OCTETS = 512 + 64
"""RFC 5321 section 4.5.3.1.4, and room for SIZE, BODY and SMTPUTF8."""

_NOT_SPOKEN = ("AUTH", "STARTTLS", "VRFY", "EXPN", "HELP", "HELO", "EHLO")


class Connection(LMTP):
    """The dialogue with one client; `handler` has the hooks that `intake.handler` describes."""

    def __init__(self, handler: object, *, max_size: int, timeout: float = TIMEOUT) -> None:
        # aiosmtpd keeps these on the class, where each new connection clears those of all others.
        self.command_size_limits = defaultdict(lambda: COMMAND_OCTETS)
        super().__init__(
            handler,
            data_size_limit=max_size,
            enable_SMTPUTF8=True,
            hostname=HOSTNAME,
            ident="consentmilter LMTP",
            timeout=timeout,
            loop=asyncio.get_running_loop(),
        )
        for verb in _NOT_SPOKEN:
            self._smtp_methods.pop(verb)
        self._owed = 0

    async def push(self, status: str | bytes) -> None:
        """Send a reply: from DATA's 354 on, one line for all recipients or one for each, and each gets its own."""
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else status
        if text.startswith("354"):
            assert self.envelope is not None
            self._owed = len(self.envelope.rcpt_tos)
            await super().push(text)
            return
        owed, self._owed = self._owed, 0
        replies = text.split("\r\n")
        await super().push("\r\n".join(replies * owed if len(replies) < owed else replies))

    async def handle_exception(self, error: Exception) -> str:
        """Answer for what went wrong; the message is over, which aiosmtpd would forget to note."""
        if self._owed:
            self.envelope = self._create_envelope()
        return str(await super().handle_exception(error))
