"""`consentmilter doctor`: find out whether what leaves the system is as it must be."""

import asyncio
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from ipaddress import ip_address
from time import monotonic
from typing import Annotated

import typer

from consentmilter import tokens
from consentmilter.addresses import mailable
from consentmilter.cli.output import AsJson, put, put_json, say
from consentmilter.cli.site import Command, now
from consentmilter.cli.writing import store
from consentmilter.errors import ConsentMilterError, UsageError
from consentmilter.headers import LIST_UNSUBSCRIBE, LIST_UNSUBSCRIBE_POST
from consentmilter.policy.classify import classify
from consentmilter.policy.mail import Header, Headers, Principal
from consentmilter.policy.site import Stream
from consentmilter.service import dkim_checks
from consentmilter.service.submission import submit
from consentmilter.store.dkim_checks import DkimCheck
from consentmilter.tokens import Purpose, Token, stream_hash

_PAUSE = 0.1
"""Seconds between two looks into the store."""

_MENDS = (
    "OpenDKIM: SignHeaders *,+List-Unsubscribe-Post (deploy/opendkim), and OpenDKIM behind consentmilter in main.cf",
    "rspamd: list-unsubscribe and list-unsubscribe-post in sign_headers of dkim_signing.conf (since 2.6 by itself)",
    "no signature at all: is the domain of the address among those that are signed for?",
)


class NothingCameBackError(ConsentMilterError):
    """The test mail was taken, and did not come to the intake."""


def doctor(
    context: typer.Context,
    *,
    dkim: Annotated[
        str, typer.Option("--dkim", metavar="ADDRESS", help="The sender address whose DKIM signature is looked at.")
    ],
    stream: Annotated[
        str | None, typer.Option(metavar="NAME", help="The stream; without it, the one that the rules tell.")
    ] = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, max=3600, help="How long the mail may take; without it, 60.")
    ] = 60.0,
    as_json: AsJson = False,
) -> None:
    """Send a test mail to ourselves and look at its DKIM signature.

    The mail goes the way of all mail, through intake.submit to milter.self_check, and the intake says what its
    signature covers: mailbox providers heed the one-click header only where both list fields are signed. Exit code 1
    if they are not, 3 if the mail does not come back in time.

    Example: consentmilter doctor --dkim news@acme.example
    """
    command: Command = context.obj
    sender, recipient = str(mailable(dkim)), _self_check(command)
    chosen = command.streams(stream)[0] if stream else _stream_of(command, sender)
    say(f"sending a mail of {chosen.name} from {sender} to {recipient}")
    check = asyncio.run(_look(command, sender, recipient, chosen, wait))
    if as_json:
        put_json({"stream": check.stream, "sender": sender, "covered": check.covered, "detail": check.detail})
    else:
        put([f"{check.stream}, from {sender}: {check.detail}"])
    if not check.covered:
        for mend in _MENDS:
            say(mend)
        raise typer.Exit(1)


def _self_check(command: Command) -> str:
    config = command.config
    if config.milter.self_check is None or config.intake.socket is None:
        raise UsageError("--dkim needs milter.self_check, and intake.socket for the intake that looks at what comes")
    return config.milter.self_check


def _stream_of(command: Command, sender: str) -> Stream:
    """The stream that the rules see in our test mail."""
    host = command.config.intake.submit.rpartition(":")[0].strip("[]")
    try:
        principal = Principal(client=ip_address(host))
    except ValueError:
        principal = Principal()
    fields = (Header(LIST_UNSUBSCRIBE.lower(), "<>"), Header(LIST_UNSUBSCRIBE_POST.lower(), ""))
    found = classify(command.site, principal, sender, Headers(fields))
    if found is None or found.stream is None:
        raise UsageError(f"no rule tells the stream of mail from {sender}: name it with --stream")
    return found.stream


async def _look(command: Command, sender: str, recipient: str, stream: Stream, wait: float) -> DkimCheck:
    """Send, and wait for what the intake notes."""
    begun = now().replace(microsecond=0)  # the store knows whole seconds
    async with store(command) as opened:
        await submit(
            command.config.intake.submit,
            _message(command, sender, recipient, stream, begun),
            recipient=recipient,
            sender=sender,
        )
        deadline = monotonic() + wait
        while monotonic() < deadline:
            check = await dkim_checks.last(opened, stream.name)
            if check is not None and check.checked >= begun:
                return check
            await asyncio.sleep(_PAUSE)
    raise NothingCameBackError(
        f"the mail to {recipient} was taken, but did not come to the intake within {wait:g} s "
        "(look for it with mailq, and in the logs of Postfix and of the intake)"
    )


def _message(command: Command, sender: str, recipient: str, stream: Stream, date: datetime) -> bytes:
    """A mail of the stream, with both list fields, so that a signer has them to sign."""
    subject = command.subject(recipient).key
    token = tokens.make(Token(Purpose.UNSUBSCRIBE, subject, stream_hash(stream.name), date.date()), command.ring)
    message = EmailMessage(SMTP.clone(max_line_length=998))  # a link is no text to be folded
    message["From"] = sender
    message["To"] = recipient
    message["Subject"] = "consentmilter looks at its own signature"
    message["Date"] = format_datetime(date)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message[LIST_UNSUBSCRIBE] = f"<{stream.unsubscribe_url or 'https://unsubscribe.invalid'}/u/{token}>"
    message[LIST_UNSUBSCRIBE_POST] = "List-Unsubscribe=One-Click"
    message.set_content("A test of the DKIM signature. It went to nobody else.\n")
    return message.as_bytes()
