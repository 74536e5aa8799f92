"""Hand mail of our own to our own mail server, over plain SMTP: it stands on this machine or in a network of ours.

Raises SubmissionError when the mail was not taken; `permanent` says that the server refused it for good.
"""

import aiosmtplib

from consentmilter.errors import ConsentMilterError

TIMEOUT = 20.0
"""Seconds for each answer of the server."""


class SubmissionError(ConsentMilterError):
    """Our own mail server did not take a mail."""

    def __init__(self, cause: str, *, permanent: bool = False) -> None:
        super().__init__(cause)
        self.permanent = permanent


async def submit(place: str, message: bytes, *, recipient: str, sender: str = "") -> None:
    """Hand a message in at `place` (HOST:PORT); without a sender nobody is told if it cannot be delivered."""
    host, _, port = place.rpartition(":")
    # No STARTTLS: the certificate of a server on loopback is seldom one that a client could verify.
    server = aiosmtplib.SMTP(hostname=host.strip("[]"), port=int(port), timeout=TIMEOUT, start_tls=False)
    options = [] if f"{sender}{recipient}".isascii() else ["SMTPUTF8"]
    try:
        async with server:
            await server.sendmail(sender, [recipient], message, mail_options=options)
    except aiosmtplib.SMTPRecipientsRefused as error:
        raise _refusal(error.recipients[0]) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _refusal(error) from error
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise SubmissionError(f"{place}: {error}") from error


def _refusal(error: aiosmtplib.SMTPResponseException) -> SubmissionError:
    text = " ".join(error.message.split())
    return SubmissionError(f"refused with {error.code} {text}", permanent=error.code >= 500)
