"""`consentmilter run`: the service, in the foreground."""

import asyncio
from typing import Annotated

import typer

from consentmilter.cli.site import Command
from consentmilter.config import load
from consentmilter.supervisor.roles import RoleName
from consentmilter.supervisor.supervisor import Supervisor


def run(
    context: typer.Context,
    *,
    only: Annotated[
        list[RoleName] | None,
        typer.Option(metavar="ROLE", help="Run this role alone: milter, web or intake; may be repeated."),
    ] = None,
) -> None:
    """Run the milter and its other roles until it is told to stop.

    HUP reads the configuration again, USR1 replaces every process (after an upgrade), TERM lets open sessions end and
    leaves; none of them costs a session.

    Example: consentmilter run
    """
    command: Command = context.obj
    supervisor = Supervisor(lambda: load(command.config_file), only=only or ())
    raise typer.Exit(asyncio.run(supervisor.run()))
