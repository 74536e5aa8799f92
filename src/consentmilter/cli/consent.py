"""`consentmilter consent`: record that people consent to a stream, or no more, and show what is recorded."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, TypeVar

import typer

from consentmilter.cli.consent_import import import_files
from consentmilter.cli.help import SETTINGS, add_command
from consentmilter.cli.output import AsJson, put, put_json, say
from consentmilter.cli.site import Command
from consentmilter.cli.times import utc_time
from consentmilter.cli.verdicts import consent_data, consent_line
from consentmilter.cli.writing import actor, store
from consentmilter.errors import UsageError
from consentmilter.model import Basis, Consent, ConsentState
from consentmilter.policy.site import Stream
from consentmilter.service import consents
from consentmilter.service.consents import OptIn, Proof
from consentmilter.service.opting_in import OptingIn, Outcome, Wish
from consentmilter.store.writer import Store
from consentmilter.subjects import Subject

T = TypeVar("T")

app = typer.Typer(name="consent", help="Record who consented to what, and show it.", **SETTINGS)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The person's address.")]
ToStream = Annotated[str, typer.Option("--stream", metavar="NAME", help="The stream.")]
Form = Annotated[str | None, typer.Option(metavar="TEXT", help="Evidence: the form or page where they said so.")]
Ip = Annotated[str | None, typer.Option(metavar="IP", help="Evidence: the client's address.")]
MessageId = Annotated[str | None, typer.Option(metavar="ID", help="Evidence: the Message-ID of the mail.")]
TextVersion = Annotated[str | None, typer.Option(metavar="TEXT", help="Evidence: the version of the text they read.")]
LegalBasis = Annotated[Basis, typer.Option(help="The legal basis.")]


def grant(
    context: typer.Context,
    address: Address,
    *,
    stream: ToStream,
    evidence: Annotated[str, typer.Option(metavar="TEXT", help="How they said so; kept in the ledger.")],
    basis: LegalBasis = Basis.CONSENT,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When they said so, such as 2026-02-01; without it, now.")
    ] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="They confirmed it themselves (double opt-in).")
    ] = False,
    form: Form = None,
    ip: Ip = None,
    message_id: MessageId = None,
    text_version: TextVersion = None,
    as_json: AsJson = False,
) -> None:
    """Record that a person consents to a stream.

    Exit code 1 if they withdrew later than that: then the withdrawal stands.

    Example: consentmilter consent grant reader@example.net --stream acme.offers --evidence "paper form 17"
    """
    command: Command = context.obj
    who, wanted = _person(command, address), _stream(command, stream)
    proof = Proof(evidence, form, ip, message_id, text_version)
    opt_in = OptIn(who.key, wanted.name, proof, _stored(command, who), basis, _time(at), confirmed)
    stands = _run(command, lambda opened: consents.grant(opened, opt_in, actor()))
    _tell(who, stands, as_json=as_json)
    if stands is None or stands.state is not ConsentState.GRANTED:
        say(f"{who.text}: a later withdrawal stands")
        raise typer.Exit(1)


def withdraw(
    context: typer.Context,
    address: Address,
    *,
    stream: Annotated[
        str, typer.Option("--stream", metavar="SCOPE", help="A stream, an organisation, or * for everything.")
    ],
    evidence: Annotated[str | None, typer.Option(metavar="TEXT", help="How they said so; kept in the ledger.")] = None,
    as_json: AsJson = False,
) -> None:
    """Record that a person consents no more.

    From now on, whatever they consented to before; mail that needs no consent is refused as well, unless it is exempt.

    Example: consentmilter consent withdraw reader@example.net --stream acme.offers --evidence "called on 2 March"
    """
    command: Command = context.obj
    who = _person(command, address)
    if stream not in command.site.scopes():
        command.streams(stream)
    proof, stored = Proof(evidence), _stored(command, who)
    stands = _run(command, lambda opened: consents.withdraw(opened, who.key, stream, proof, actor(), address=stored))
    _tell(who, stands, as_json=as_json)


def request(
    context: typer.Context,
    address: Address,
    *,
    stream: ToStream,
    evidence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Where it was asked for; kept in the ledger.")
    ] = None,
    form: Form = None,
    ip: Ip = None,
    text_version: TextVersion = None,
    language: Annotated[
        str | None, typer.Option(metavar="LANGUAGE", help="The language of the mail, such as de.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Ask a person by mail whether they consent.

    Their consent is recorded once they confirm it on the page that the mail leads to. Exit code 1 if no mail went out.

    Example: consentmilter consent request reader@example.net --stream acme.offers --form /newsletter
    """
    command: Command = context.obj
    who, wanted = _person(command, address), _stream(command, stream)
    wish = Wish(who, wanted, Proof(evidence, form, ip, text_version=text_version), language)
    outcome = _run(
        command, lambda opened: OptingIn(command.config, command.site, command.ring, opened).ask(wish, actor())
    )
    if as_json:
        put_json({"subject": who.text, "stream": wanted.name, "outcome": outcome.name.lower()})
    else:
        put([f"{who.text}: {outcome}"])
    if outcome is not Outcome.SENT:
        raise typer.Exit(1)


def show(context: typer.Context, address: Address, *, as_json: AsJson = False) -> None:
    """Show what is recorded of a person's consents.

    Exit code 1 if there is nothing. How it came about, `consentmilter explain` tells.

    Example: consentmilter consent show reader@example.net
    """
    command: Command = context.obj
    _person(command, address)
    names = {each.key: each.text for each in command.own_subjects(address)}
    rows = _run(command, lambda opened: consents.held(opened, list(names)))
    data = [consent_data(row, names) for row in rows]
    if as_json:
        put_json(data)
    else:
        put(map(consent_line, data))
    if not rows:
        raise typer.Exit(1)


def _run(command: Command, work: Callable[[Store], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with store(command) as opened_:
            return await work(opened_)

    return asyncio.run(opened())


def _person(command: Command, text: str) -> Subject:
    if "@" not in text:
        raise UsageError(f"{text!r} is no address: only a person can consent")
    return command.subject(text)


def _stream(command: Command, name: str) -> Stream:
    [stream] = command.streams(name)
    return stream


def _stored(command: Command, who: Subject) -> str | None:
    return who.text if command.config.privacy.store_addresses else None


def _tell(who: Subject, stands: Consent | None, *, as_json: bool) -> None:
    if stands is None:
        return
    data: dict[str, Any] = consent_data(stands, {stands.subject: who.text})
    if as_json:
        put_json(data)
    else:
        put([consent_line(data)])


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return utc_time(text)
    except (ValueError, OverflowError):
        raise UsageError(f"--at: {text!r} is no time (write 2026-02-01 or 2026-02-01T12:30:00Z)") from None


for command_function, command_name in (
    (grant, "grant"),
    (withdraw, "withdraw"),
    (request, "request"),
    (import_files, "import"),
    (show, "show"),
):
    add_command(app, command_function, command_name)
