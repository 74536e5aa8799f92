"""The commands by name, each loaded when it is asked for: `check` needs a small part of what `init` needs."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command as built

from consentmilter import __version__
from consentmilter.cli import INTERRUPTED
from consentmilter.cli.help import SETTINGS, add_command
from consentmilter.cli.output import say
from consentmilter.cli.site import DEFAULT_CONFIG, Command

COMMANDS = {
    "init": "init:init",
    "run": "run:run",
    "import": "importing:import_files",
    "undo": "undo:undo",
    "export": "export:export",
    "add": "change:add",
    "remove": "change:remove",
    "check": "check:check",
    "explain": "explain:explain",
    "review": "review:review",
    "consent": "consent:app",
    "subject": "subject:app",
    "prune": "prune:prune",
    "ledger": "ledger:app",
    "trace": "trace:trace",
    "report": "report:report",
    "stats": "stats:stats",
    "store": "store:app",
    "doctor": "doctor:doctor",
    "config": "config:app",
}
"""Where each command is: a module of this package, and the function or group of commands in it."""


class _Loaded(Mapping[str, Any]):
    """The commands by name; to take one out loads it."""

    def __getitem__(self, name: str) -> Any:
        return _load(name, COMMANDS[name])

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands: Any = _Loaded()

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Left to themselves, some versions of typer end with 1 for an interruption."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    name="consentmilter",
    cls=Commands,
    help="Marketing mail to people who opted out is refused at SMTP time.",
    **SETTINGS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    *,
    config_file: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The configuration file.")
    ] = DEFAULT_CONFIG,
    version: Annotated[  # noqa: ARG001 - its callback does it all
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take what holds for every command."""
    context.obj = Command(config_file)


@cache
def _load(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"consentmilter.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return built(found)
    alone = typer.Typer(**SETTINGS)
    add_command(alone, found, name)
    return built(alone)
