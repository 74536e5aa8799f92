"""`consentmilter store copy`: bring the store into another database, and move there."""

import asyncio
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from consentmilter.cli.listing import bar
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, without_password
from consentmilter.cli.site import Command
from consentmilter.service.copy_pages import Progress, Tally
from consentmilter.service.moving import Move
from consentmilter.service.verifying import Verified, verify
from consentmilter.store.writer import Store

_NONCE_OCTETS = 16


def copy(
    context: typer.Context,
    *,
    to: Annotated[str, typer.Option("--to", metavar="URL", help="The database that the store is copied to.")],
    journal: Annotated[bool, typer.Option("--journal", help="Copy the journal, too.")] = False,
    final: Annotated[
        bool, typer.Option("--final", help="Move: keep writers away for the last changes, then work with the copy.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Copy the store into another database, while the service runs.

    A run that was cut short goes on where it was, and a second one brings over what has changed since. Nobody can work
    with the copy before a run with --final has made both equal, and nobody can write to the store behind it.

    Example: consentmilter store copy --to postgresql://consentmilter@db1/consent
    """
    command: Command = context.obj
    move = Move(command.config, command.ring, to, journal=journal)
    verified = None
    with _pages("copy") as progress:
        done = move.preview(progress) if dry_run else move.copy(progress, secrets.token_bytes(_NONCE_OCTETS))
        progress(1.0)
    if final and not dry_run:
        before = asyncio.run(_verify(command, command.config.store.url))
        with _pages("last changes") as progress:
            done = move.finish(progress)
        verified = before if before.fault else asyncio.run(_verify(command, to))
    if as_json:
        put_json(_data(command.config.store.url, to, done, verified))
    else:
        put(_lines(done, to, verified, dry_run=dry_run))
    if verified and verified.fault:
        raise typer.Exit(1)


@contextmanager
def _pages(name: str) -> Iterator[Progress]:
    """A bar; Ctrl-C waits until it moves, that is, for the end of a page, and a second one does not."""
    asked = False

    def ask(_signal: int, _frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    def move(part: float) -> None:
        shown(part)
        if asked:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    with bar(name) as shown:
        if before is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, ask)
        try:
            yield move
        finally:
            signal.signal(signal.SIGINT, before)


async def _verify(command: Command, url: str) -> Verified:
    """Read the chain of the ledger through."""
    async with Store.open(url, command.ring.checks()) as opened:
        with bar("ledger") as progress:
            return await verify(opened, progress=progress)


def _data(origin: str, to: str, done: list[Tally], verified: Verified | None) -> dict[str, Any]:
    return {
        "from": without_password(origin),
        "to": without_password(to),
        "moved": verified is not None,
        "tables": [
            {
                "table": each.table,
                "rows": each.rows,
                "added": each.added,
                "changed": each.changed,
                "removed": each.removed,
                "digest": each.digest,
            }
            for each in done
        ],
        "entries": verified and verified.entries,
        "fault": verified and verified.fault and verified.fault.text,
    }


def _lines(done: list[Tally], to: str, verified: Verified | None, *, dry_run: bool) -> Iterator[str]:
    for each in done:
        changes = [
            f"{count} {'to be ' if dry_run else ''}{what}"
            for count, what in ((each.added, "added"), (each.changed, "changed"), (each.removed, "removed"))
            if count
        ]
        if each.rows or changes:
            yield f"{each.table}: {', '.join([f'{each.rows} rows', *changes])}"
    if verified is not None:
        yield from _moved(to, verified)
    elif not dry_run:
        yield "nobody can work with the copy yet: move to it with --final"


def _moved(to: str, verified: Verified) -> Iterator[str]:
    if verified.fault is not None:
        yield f"the ledger is not what was written, {verified.fault.kind}: {printable(verified.fault.text)}"
    else:
        yield f"the ledger is good: {verified.entries} entries"
    yield "moved: the store before takes no more changes; put into the configuration, and reload:"
    yield f'store: {{url: "{printable(without_password(to))}"}}'
