"""What the commands about one person share: how the person is named, and how the work is done on the store."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer

from consentmilter.cli.output import printable, say
from consentmilter.cli.site import Command
from consentmilter.cli.writing import store
from consentmilter.service.holds import HeldError
from consentmilter.service.person import Person, person_named
from consentmilter.store.writer import Store

T = TypeVar("T")

Address = Annotated[str, typer.Argument(metavar="ADDRESS", help="The person's address.")]
Evidence = Annotated[str, typer.Option(metavar="TEXT", help="Who asked for it, and how; kept in the ledger.")]

UNCHANGED = "dry run: nothing has changed"


def named(command: Command, text: str) -> Person:
    """The person with this address."""
    stored = command.config.privacy.store_addresses
    return person_named(text, command.ring, command.site.foldings, store_addresses=stored)


def on_store(command: Command, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do the work on the store; what has to wait is an answer of no."""

    async def opened() -> T:
        async with store(command) as found:
            return await work(found)

    try:
        return asyncio.run(opened())
    except HeldError as error:
        say(f"error: {printable(str(error))}")
        raise typer.Exit(1) from None
