"""`consentmilter trace`: which rule a message meets, and what would become of it, without sending it."""

import email
import email.policy
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer

from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.site import Command, now
from consentmilter.errors import UsageError
from consentmilter.headers import Add, Edit
from consentmilter.policy.mail import SENDMAIL, Client, Principal
from consentmilter.replies import Reply
from consentmilter.service.desk import Desk, Record
from consentmilter.service.screening import Ending, Screening


def trace(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="The message's file; - is standard input.")],
    *,
    sender: Annotated[str, typer.Option("--from", help="The envelope sender.")],
    recipients: Annotated[list[str], typer.Option("--to", help="An envelope recipient; may be repeated.")],
    login: Annotated[str | None, typer.Option(help="The SASL login.")] = None,
    client: Annotated[str, typer.Option(help="The client's address.")] = "192.0.2.1",
    listener: Annotated[str, typer.Option(help="The listener's name; sendmail for mail from sendmail(1).")] = "",
    as_json: AsJson = False,
) -> None:
    """Show which rule a message meets and what would become of it.

    Nothing is sent, logged or journalled. Exit code 1 if any recipient would be refused.

    Example: consentmilter trace letter.eml --from news@acme.example --to reader@example.net --login newsletter
    """
    command: Command = context.obj
    principal = Principal(login, _address(client), listener, non_smtp=listener == SENDMAIL)
    records: list[Record] = []
    notices: list[dict[str, object]] = []
    with command.reader() as reader:
        desk = Desk(
            site=command.site,
            ring=command.ring,
            look_up=reader.suppressions,
            record=records.append,
            notice=lambda event, **fields: notices.append({"event": event, **fields}),
            now=now,
            new_ref=lambda: "trace",
        )
        result = _screen(Screening(desk, principal, sender), _fields(message), recipients)
    result |= {"recipients": [_record(record) for record in records], "notices": notices}
    if as_json:
        put_json(result)
    else:
        put(_lines(result))
    if any(record.verdict not in ("accept", "tag") for record in records) or _refused(result):
        raise typer.Exit(1)


def _screen(screening: Screening, fields: list[tuple[str, str]], recipients: list[str]) -> dict[str, Any]:
    replies = {raw: screening.rcpt(f"<{raw}>") for raw in recipients}
    at_rcpt = {raw: _reply(reply) for raw, reply in replies.items()}
    result: dict[str, Any] = {"outbound": screening.outbound, "at_rcpt": at_rcpt, "at_end": None}
    if any(reply is None for reply in replies.values()):
        for name, value in fields:
            screening.header(name.lower(), value)
        result["at_end"] = _ending(screening.finish())
    return result


def _fields(message: str) -> list[tuple[str, str]]:
    try:
        octets = sys.stdin.buffer.read() if message == "-" else Path(message).read_bytes()
    except OSError as error:
        raise UsageError(f"{message}: {error.strerror}") from error
    parsed = email.message_from_bytes(octets, policy=email.policy.compat32)
    return [(name, str(value)) for name, value in parsed.items()]


def _address(text: str) -> Client:
    try:
        return ip_address(text)
    except ValueError as error:
        raise UsageError(f"--client: {error}") from error


def _refused(result: dict[str, Any]) -> bool:
    at_end = result["at_end"]
    return any(result["at_rcpt"].values()) or bool(at_end and at_end["reply"])


def _reply(reply: Reply | None) -> str | None:
    return f"{reply.code} {reply.enhanced} {reply.text}" if reply else None


def _ending(ending: Ending) -> dict[str, Any]:
    return {
        "reply": _reply(ending.reply),
        "removed": list(ending.remove),
        "held": ending.quarantine is not None,
        "edits": [_edit(edit) for edit in ending.edits],
    }


def _edit(edit: Edit) -> str:
    if isinstance(edit, Add):
        return f"add {edit.name}: {' '.join(edit.value.split())}"
    return f"remove {edit.name} number {edit.index}"


def _record(record: Record) -> dict[str, object]:
    names = (
        "recipient",
        "verdict",
        "reason",
        "bypassed",
        "scope",
        "stream",
        "category",
        "rule",
        "right",
        "false_claim",
    )
    values = {name: getattr(record, name) for name in names}
    return {name: value for name, value in values.items() if value not in (None, "", False)}


def _lines(result: dict[str, Any]) -> list[str]:
    lines = [] if result["outbound"] else ["not outbound: passes untouched"]
    for told in result["recipients"]:
        rest = ", ".join(f"{name} {value}" for name, value in told.items() if name not in ("recipient", "verdict"))
        lines.append(f"{printable(told['recipient'])}: {told['verdict']}{f' ({rest})' if rest else ''}")
    lines += [f"at RCPT: {reply}" for reply in result["at_rcpt"].values() if reply]
    at_end = result["at_end"]
    if at_end:
        lines += [f"at end: {at_end['reply']}"] if at_end["reply"] else []
        lines += [f"remove recipient {printable(raw)}" for raw in at_end["removed"]]
        lines += ["hold the message"] if at_end["held"] else []
        lines += at_end["edits"]
    lines += [f"notice: {notice['event']}" for notice in result["notices"]]
    return lines
