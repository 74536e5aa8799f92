"""What the intake answers to each LMTP command; aiosmtpd finds the hooks by their names.

Whatever happens, each recipient gets a definite answer: 2xx once the change is committed, 5xx for what will not get
better, and `451 4.3.0` without detail while the store or our mail server is away, or for a fault of ours. The cause
goes to the log.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import suppress

from aiosmtpd.smtp import SMTP, Envelope, Session

from consentmilter import log
from consentmilter.errors import StoreError
from consentmilter.intake.act import act
from consentmilter.intake.decide import decide
from consentmilter.intake.desk import Desk
from consentmilter.intake.mail import Mail, read
from consentmilter.service.submission import SubmissionError

AWAY = "451 4.3.0 temporary failure, please try again later"
UNKNOWN = "550 5.1.1 there is no such address here"
TOO_MANY = "452 4.5.3 too many recipients, please send the rest in another message"

MAX_RECIPIENTS = 1000
"""Ten times what RFC 5321 section 4.5.3.1.8 demands, and more than Postfix gives at once by default (50)."""


class Handler:
    """The hooks, for all connections under one configuration."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        # PIPELINING, which RFC 2033 section 5 demands and a stream reader does by itself, in place of HELP.
        session.host_name = hostname
        return [*replies[:-1], "250 PIPELINING"]

    async def handle_RCPT(  # noqa: N802 - as above
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return TOO_MANY
        if self._desk.doors.of(address) is None:
            log.get().info("address_unknown")
            return UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        assert isinstance(envelope.content, bytes)  # because of decode_data=False
        desk = self._desk
        mail = read(
            envelope.content,
            sender=envelope.mail_from or "",
            size=desk.config.intake.max_size,
            authserv_ids=desk.config.intake.authserv_ids,
            ring=desk.ring,
            foldings=desk.site.foldings,
        )
        return "\r\n".join([reply async for reply in self._replies(mail, envelope.rcpt_tos)])

    async def handle_exception(self, error: Exception) -> str:
        # A log that cannot be written to must not make an answer of the exception's text.
        with suppress(OSError, ValueError):
            log.get().error("intake_fault", exc_info=error)
        return AWAY

    async def _replies(self, mail: Mail | None, recipients: list[str]) -> AsyncIterator[str]:
        """One reply for each recipient; once the store or our mail server is away, it is so for those behind as well.

        Each try could take many seconds, and the mail server would not wait for all of them.
        """
        away = False
        for recipient in recipients:
            reply = AWAY if away else await self._reply(mail, recipient)
            away = reply == AWAY
            yield reply

    async def _reply(self, mail: Mail | None, recipient: str) -> str:
        ref = secrets.token_hex(5)
        door = self._desk.doors.of(recipient)
        assert door is not None  # or it would not have been let in
        try:
            reply = await act(self._desk, decide(door, mail, self._desk.doors.of_token), mail, ref)
        except (StoreError, SubmissionError) as error:
            log.get().warning("intake_deferred", ref=ref, cause=str(error))
            reply = AWAY
        except Exception:  # noqa: BLE001 - the edge: a fault of ours with one recipient must not be another's
            log.get().exception("intake_fault", ref=ref)
            reply = AWAY
        return reply if reply == AWAY else f"{reply} [{ref}]"
