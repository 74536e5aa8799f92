"""`consentmilter review`: mail from people that no rule understood, for somebody to read and decide."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.site import Command
from consentmilter.cli.writing import actor, store
from consentmilter.errors import UsageError
from consentmilter.service import reviewing
from consentmilter.store.reviews import Review

_SHOWN = 60
"""So many characters of a person's words stand in the list."""


def review(
    context: typer.Context,
    item: Annotated[str | None, typer.Argument(metavar="ID", help="One mail, by its id in the list.")] = None,
    *,
    opt_out: Annotated[bool, typer.Option("--opt-out", help="It asks for no more mail: suppress the person.")] = False,
    scope: Annotated[
        str | None, typer.Option(metavar="SCOPE", help="With --opt-out: this scope, not the one of the address.")
    ] = None,
    close: Annotated[bool, typer.Option("--close", help="It asks for nothing: forget it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show mail that waits for somebody to read it, or decide it.

    Without an id the list, with one the whole mail. What the person wrote is forgotten once it is decided; with
    --opt-out it becomes the evidence in the ledger. Exit code 1 if nothing waits.

    Example: consentmilter review
    """
    command: Command = context.obj
    _refuse_nonsense(item, opt_out=opt_out, scope=scope, close=close)
    if scope is not None:
        command.scope(scope)
    items = asyncio.run(_run(command, item, opt_out=opt_out, scope=scope, close=close))
    if as_json:
        put_json([_data(each) for each in items] if item is None else _data(items[0]))
    elif item is None:
        put(_line(each) for each in items)
    else:
        put(_whole(items[0]))
    if not items:
        raise typer.Exit(1)


def _refuse_nonsense(item: str | None, *, opt_out: bool, scope: str | None, close: bool) -> None:
    if item is None and (opt_out or close):
        raise UsageError("which one? Give the ID that the list shows")
    if opt_out and close:
        raise UsageError("--opt-out and --close: decide for one of them")
    if scope is not None and not opt_out:
        raise UsageError("--scope is for --opt-out")


async def _run(command: Command, item: str | None, *, opt_out: bool, scope: str | None, close: bool) -> list[Review]:
    async with store(command) as opened:
        if item is None:
            return await reviewing.waiting(opened)
        if opt_out:
            decided, _ = await reviewing.opt_out(opened, item, scope, actor())
            return [decided]
        if close:
            return [await reviewing.close(opened, item)]
        return [await reviewing.get(opened, item)]


def _data(item: Review) -> dict[str, Any]:
    return {
        "id": item.id,
        "at": item.at.isoformat(),
        "kind": item.kind,
        "scope": item.scope,
        "subject": item.address,
        "key": item.subject.hex(),
        "words": item.words,
        "closed": item.closed.isoformat() if item.closed else None,
        "decision": item.decision,
    }


def _line(item: Review) -> str:
    words = printable(" ".join((item.words or "").split()))
    short = f"{words[:_SHOWN]}..." if len(words) > _SHOWN else words
    return f"{_head(item)}: {short}"


def _whole(item: Review) -> Iterator[str]:
    yield _head(item)
    if item.closed:
        yield f"{item.decision} at {item.closed:%Y-%m-%d %H:%M} UTC"
    if item.words:
        yield ""
        yield from (f"    {printable(line)}".rstrip() for line in item.words.splitlines())


def _head(item: Review) -> str:
    who = printable(item.address or item.subject.hex())
    return f"{item.id}  {item.at:%Y-%m-%d %H:%M} UTC  {item.kind}  {who} about {printable(item.scope)}"
