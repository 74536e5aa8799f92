"""The command line: `consentmilter COMMAND`.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage or configuration, 3 the store or another part could not be
reached, 4 a fault of ours.
"""

import sys
import traceback
from pathlib import Path
from typing import Annotated

import typer

from consentmilter import __version__
from consentmilter.cli import config
from consentmilter.cli.ask import check, explain
from consentmilter.cli.change import add, remove
from consentmilter.cli.importing import import_files
from consentmilter.cli.init import init
from consentmilter.cli.output import say
from consentmilter.cli.run import run
from consentmilter.cli.site import DEFAULT_CONFIG, Command
from consentmilter.cli.trace import trace
from consentmilter.errors import ConsentMilterError, StoreError

WRONG_USAGE, UNREACHABLE, OUR_FAULT = 2, 3, 4

app = typer.Typer(
    name="consentmilter",
    help="Marketing mail to people who opted out is refused at SMTP time.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (init, run, add, remove, check, explain, trace):
    app.command()(command)
app.command("import")(import_files)
app.add_typer(config.app, name="config")


@app.callback()
def start(
    context: typer.Context,
    *,
    config_file: Annotated[Path, typer.Option("--config", help="The configuration file.")] = DEFAULT_CONFIG,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Take what holds for every command."""
    context.obj = Command(config_file)
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line and turn what went wrong into an exit code."""
    try:
        app()
    except StoreError as error:
        say(f"error: {error}")
        sys.exit(UNREACHABLE)
    except ConsentMilterError as error:
        say(f"error: {error}")
        sys.exit(WRONG_USAGE)
    except Exception:  # noqa: BLE001 - the edge of the process: 1 would mean that the answer is no
        traceback.print_exc()
        say("error: a fault of consentmilter; nothing half-done is left behind")
        sys.exit(OUR_FAULT)
