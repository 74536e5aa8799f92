"""`consentmilter run`: the milter, in the foreground."""

import asyncio

import typer

from consentmilter.cli.site import Command
from consentmilter.config import load
from consentmilter.supervisor.supervisor import Supervisor


def run(context: typer.Context) -> None:
    """Run the milter until it is told to stop.

    HUP reads the configuration again, USR1 replaces every worker (after an upgrade), TERM lets open sessions end and
    leaves; none of them costs a session.

    Example: consentmilter run
    """
    command: Command = context.obj
    raise typer.Exit(asyncio.run(Supervisor(lambda: load(command.config_file)).run()))
