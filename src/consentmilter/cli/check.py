"""`consentmilter check`: whether mail to a person would be sent."""

from typing import Annotated

import typer

from consentmilter.cli.output import AsJson, put, put_json
from consentmilter.cli.reading import reader
from consentmilter.cli.site import Command, now
from consentmilter.cli.verdicts import decision_data, decision_line
from consentmilter.model import Verdict
from consentmilter.service.question import question

Person = Annotated[
    str, typer.Argument(metavar="SUBJECT", help="An address, a domain (example.com) or sub-domains (.example.com).")
]


def check(
    context: typer.Context,
    subject: Person,
    *,
    stream: Annotated[str | None, typer.Option(metavar="NAME", help="Ask for this stream only.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether mail to a person would be sent.

    Exit code 0 if it would, 1 if it would not: somebody opted out of the stream and its category is not exempt, or the
    consent that it requires is not recorded.
    Without --stream every stream is asked for, and one that would not be sent makes the exit code 1. In observe mode
    the answer is what enforcing would do. Of a domain it says what holds for everybody there.

    Example: consentmilter check friend@example.net --stream acme.newsletter
    """
    command: Command = context.obj
    streams, asked = command.streams(stream), question(subject, command.ring, command.site.foldings)
    with reader(command) as store:
        found = store.look_up(asked.keys, lambda: asked.keys)
    decisions = list(zip(streams, asked.decide(streams, found, now()), strict=True))
    sent = all(decision.verdict is Verdict.ACCEPT for _, decision in decisions)
    if as_json:
        data = {"subject": asked.subject.text, "key": asked.subject.key.hex(), "sent": sent}
        put_json(data | {"streams": [decision_data(each, decision) for each, decision in decisions]})
    else:
        put(decision_line(each, decision) for each, decision in decisions)
    if not sent:
        raise typer.Exit(1)
