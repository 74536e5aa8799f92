"""`consentmilter trace`: which rule a message meets, and what would become of it, without sending it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer

from consentmilter.cli.letter import header_fields
from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.reading import reader
from consentmilter.cli.site import Command, now
from consentmilter.errors import StoreError, UsageError
from consentmilter.headers import Add, Edit
from consentmilter.policy.facts import Facts
from consentmilter.policy.mail import SENDMAIL, Client, Principal
from consentmilter.replies import Reply
from consentmilter.service.desk import Desk, LookUp, Record
from consentmilter.service.ending import Ending
from consentmilter.service.screening import Screening

ELSEWHERE = "192.0.2.1"
"""An address that is no client's (RFC 5737): neither loopback nor in any site's network."""

_TOLD = (
    "recipient",
    "verdict",
    "reason",
    "bypassed",
    "scope",
    "stream",
    "category",
    "mode",
    "rule",
    "right",
    "false_claim",
)
"""What is told of each recipient, of the fields of a record."""


@dataclass
class _Findings:
    """What a screening tells besides its answers, and what kept the store from answering."""

    records: list[Record] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    fault: StoreError | None = None


def trace(
    context: typer.Context,
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The message's file; - is standard input.")],
    *,
    sender: Annotated[str, typer.Option("--from", metavar="ADDRESS", help="The envelope sender.")],
    recipients: Annotated[
        list[str], typer.Option("--to", metavar="ADDRESS", help="An envelope recipient; may be repeated.")
    ],
    login: Annotated[str | None, typer.Option(metavar="NAME", help="The SASL login.")] = None,
    client: Annotated[
        str | None, typer.Option(metavar="IP", help=f"The client's address; without it, {ELSEWHERE}.")
    ] = None,
    listener: Annotated[
        str, typer.Option(metavar="NAME", help="The listener's name; sendmail for mail from sendmail(1).")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show which rule a message meets, and what would become of it.

    Nothing is sent, logged or journalled, and the message's body is not read. Exit code 1 if any recipient would not
    get it, or in observe mode: would not, were it enforced.

    Example: consentmilter trace letter.eml --from news@acme.example --to friend@example.net --login newsletter
    """
    command: Command = context.obj
    principal = _principal(login, client, listener)
    fields = _fields(message)
    findings = _Findings()
    with reader(command) as store:
        desk = _desk(command, store.look_up, findings)
        result = _screen(Screening(desk, principal, f"<{_bare(sender)}>"), fields, recipients)
    told = sorted(
        map(_record, findings.records), key=lambda each: list(map(_bare, recipients)).index(each["recipient"])
    )
    result |= {"recipients": told, "notices": findings.notices}
    if as_json:
        put_json(result)
    else:
        put(_lines(result))
    if findings.fault is not None:
        raise findings.fault
    if _stopped(result):
        raise typer.Exit(1)


def _principal(login: str | None, client: str | None, listener: str) -> Principal:
    if listener != SENDMAIL:
        return Principal(login, _address(ELSEWHERE if client is None else client), listener)
    if login is not None or client is not None:
        raise UsageError("mail from sendmail(1) has neither --login nor --client: Postfix says loopback")
    return Principal(None, ip_address("127.0.0.1"), SENDMAIL, non_smtp=True)


def _address(text: str) -> Client:
    try:
        return ip_address(text)
    except ValueError as error:
        raise UsageError(f"--client: {error}") from error


def _fields(message: str) -> list[tuple[str, str]]:
    try:
        if message == "-":
            if sys.stdin is None:
                raise UsageError("standard input (-) is closed")
            return header_fields(sys.stdin.buffer)
        with Path(message).open("rb") as file:
            return header_fields(file)
    except OSError as error:
        raise UsageError(f"{message}: {error.strerror}") from error


def _desk(command: Command, look_up: LookUp, findings: _Findings) -> Desk:
    def looked_up(subjects: Sequence[bytes], digests: Callable[[], Sequence[bytes]]) -> Facts:
        try:
            return look_up(subjects, digests)
        except StoreError as error:
            findings.fault = findings.fault or error
            raise

    return Desk(
        site=command.site,
        ring=command.ring,
        look_up=looked_up,
        record=findings.records.append,
        notice=lambda event, **fields: findings.notices.append({"event": event, **fields}),
        now=now,
        new_ref=lambda: "trace",
    )


def _screen(screening: Screening, fields: list[tuple[str, str]], recipients: list[str]) -> dict[str, Any]:
    # Postfix hands mail from sendmail(1) over without brackets.
    form = "{}" if screening.principal.non_smtp else "<{}>"
    at_rcpt = [(raw, screening.rcpt(form.format(raw))) for raw in map(_bare, recipients)]
    at_end = None
    if any(reply is None for _, reply in at_rcpt):
        for name, value in fields:
            screening.header(name.lower(), value)
        at_end = _ending(screening.finish())
    replies = [{"recipient": raw, "reply": _reply(reply)} for raw, reply in at_rcpt]
    return {"outbound": screening.outbound, "at_rcpt": replies, "at_end": at_end}


def _bare(address: str) -> str:
    return address.removeprefix("<").removesuffix(">")


def _stopped(result: dict[str, Any]) -> bool:
    """Whether a recipient does not get the message, or would not."""
    at_end = result["at_end"]
    if any(told["reply"] for told in result["at_rcpt"]) or (at_end and (at_end["reply"] or at_end["held"])):
        return True
    verdicts = {told["verdict"].removeprefix("would-") for told in result["recipients"]}
    return not verdicts <= {"accept", "tag"}


def _reply(reply: Reply | None) -> str | None:
    return f"{reply.code} {reply.enhanced} {reply.text}" if reply else None


def _ending(ending: Ending) -> dict[str, Any]:
    return {
        "reply": _reply(ending.reply),
        "removed": [_bare(raw) for raw in ending.remove],
        "held": ending.quarantine is not None,
        "edits": [_edit(edit) for edit in ending.edits],
    }


def _edit(edit: Edit) -> dict[str, Any]:
    if isinstance(edit, Add):
        return {"edit": "add", "field": edit.name, "value": " ".join(edit.value.split())}
    return {"edit": "remove", "field": edit.name, "number": edit.index}


def _record(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _TOLD} | {"recipient": _bare(record.recipient)}


def _lines(result: dict[str, Any]) -> Iterator[str]:
    if not result["outbound"]:
        yield "not outbound, passes untouched: no login, and neither the client nor the listener is named in outbound"
    for told in result["recipients"]:
        yield _record_line(told)
    for told in result["at_rcpt"]:
        if told["reply"]:
            yield f"at RCPT, {printable(told['recipient'])}: {told['reply']}"
    at_end = result["at_end"] or {"reply": None, "removed": [], "held": False, "edits": []}
    if at_end["reply"]:
        yield f"at end of message: {at_end['reply']}"
    yield from (f"recipient removed: {printable(raw)}" for raw in at_end["removed"])
    if at_end["held"]:
        yield "the message is held"
    yield from map(_edit_line, at_end["edits"])
    yield from (f"notice: {_notice_line(notice)}" for notice in result["notices"])


def _record_line(told: dict[str, Any]) -> str:
    rest = {name.replace("_", " "): value for name, value in told.items() if value not in (None, "", False)}
    shown = ", ".join(f"{name} {value}" for name, value in rest.items() if name not in ("recipient", "verdict"))
    return f"{printable(told['recipient'])}: {told['verdict']} ({shown.replace('bypassed True', 'bypassed')})"


def _edit_line(edit: dict[str, Any]) -> str:
    if edit["edit"] == "add":
        return f"field added: {edit['field']}: {edit['value']}"
    return f"field removed: {edit['field']}, number {edit['number']} of that name"


def _notice_line(notice: dict[str, Any]) -> str:
    about = ", ".join(f"{name} {value}" for name, value in notice.items() if name not in ("event", "ref", "queue_id"))
    return printable(f"{notice['event']} ({about})")
