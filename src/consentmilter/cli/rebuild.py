"""`consentmilter ledger rebuild`: the list as the ledger leads to it, and how the one in the tables differs."""

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from consentmilter.cli.listing import array, bar
from consentmilter.cli.output import AsJson, printable, put, put_json
from consentmilter.cli.site import Command
from consentmilter.cli.writing import store
from consentmilter.service.import_digests import Compared, Outcome, compare_imports
from consentmilter.service.rebuilding import Difference, Rebuilt
from consentmilter.service.rebuilding import rebuild as rebuilt


def rebuild(
    context: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Say only what differs from the list that there is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the list out of the ledger, and show it.

    The list that there is stays as it is.

    Rows of imports are taken from the tables: the ledger has the digest of what was read, and with --check it is
    compared. Exit code 1 if --check finds a difference.

    Example: consentmilter ledger rebuild --check
    """
    command: Command = context.obj
    if check:
        differences, imports = asyncio.run(_check(command))
        if as_json:
            put_json({"differences": [_difference(each) for each in differences], "imports": [*map(_import, imports)]})
        else:
            put(_lines(differences, imports))
        if differences or any(each.outcome is Outcome.DIFFERENT for each in imports):
            raise typer.Exit(1)
    else:
        asyncio.run(_show(command, as_json=as_json))


async def _check(command: Command) -> tuple[list[Difference], list[Compared]]:
    async with store(command) as opened:
        with bar("people") as progress:
            differences = [each async for some in rebuilt(opened, progress) for each in some.differences]
        return differences, [each async for each in compare_imports(opened)]


async def _show(command: Command, *, as_json: bool) -> None:
    async with store(command) as opened:
        if not as_json:
            async for some in rebuilt(opened):
                put(" ".join(str(value) for value in row.values() if value is not None) for row in _rows(some))
            return
        with array() as put_each:
            async for some in rebuilt(opened):
                put_each(_rows(some))


def _rows(some: Rebuilt) -> Iterator[dict[str, Any]]:
    """What a list has to say of people, as data; the same keys for consents."""
    for row in some.suppressions:
        yield {
            "subject": row.subject.hex(),
            "what": row.reason,
            "scope": row.scope,
            "since": row.created.isoformat(),
            "expires": row.expires.isoformat() if row.expires else None,
            "origin": printable(row.origin),
            "batch": row.batch,
        }
    for consent in some.consents:
        yield {
            "subject": consent.subject.hex(),
            "what": consent.state,
            "scope": consent.stream,
            "since": consent.at.isoformat(),
            "expires": None,
            "origin": printable(consent.origin),
            "batch": consent.batch,
        }


def _difference(each: Difference) -> dict[str, Any]:
    return {"subject": each.subject.hex(), "where": each.where, "text": each.text}


def _import(each: Compared) -> dict[str, Any]:
    return {
        "batch": each.batch,
        "file": each.file,
        "rows": each.rows,
        "outcome": each.outcome,
        "cause": each.cause,
    }


def _lines(differences: list[Difference], imports: list[Compared]) -> Iterator[str]:
    for each in differences:
        yield f"{each.subject.hex()}: {printable(each.where)}: {printable(each.text)}"
    for one in imports:
        cause = f": {one.cause}" if one.cause else ""
        yield f"import {one.batch} of {printable(one.file)}, {one.rows} rows: {_OUTCOMES[one.outcome]}{cause}"
    if not differences:
        yield "the list is the one that the ledger leads to"


_OUTCOMES = {
    Outcome.SAME: "its rows are those that were read",
    Outcome.DIFFERENT: "its rows are NOT those that were read",
    Outcome.OPEN: "taken as it stands",
}
