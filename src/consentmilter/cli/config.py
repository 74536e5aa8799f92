"""`consentmilter config`: check the configuration, show what it says, print its schema."""

import typer
import yaml

from consentmilter.cli import WRONG_USAGE
from consentmilter.cli.help import SETTINGS, add_command
from consentmilter.cli.output import AsJson, put, put_json, say, without_password
from consentmilter.cli.site import Command
from consentmilter.config import Config
from consentmilter.config.check import find_warnings
from consentmilter.errors import ConfigError, KeyFileError

app = typer.Typer(name="config", help="Check and show the configuration.", **SETTINGS)


def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Check the configuration and the key file.

    Every fault is shown at once, each with its line and key path; exit code 2 if there is any. What works but is
    hardly meant is a warning.

    Example: consentmilter config check
    """
    command: Command = context.obj
    faults: list[str] = []
    warnings: list[str] = []
    try:
        warnings += find_warnings(command.config)
        _ = command.ring
    except ConfigError as error:
        faults += error.problems
    except KeyFileError as error:
        faults.append(f"keys.file: {error}")
    for fault in faults:
        say(f"error: {fault}")
    for warning in warnings:
        say(f"warning: {warning}")
    if as_json:
        put_json({"file": str(command.config_file), "faults": faults, "warnings": warnings})
    elif not faults:
        put([f"{command.config_file}: good"])
    if faults:
        raise typer.Exit(WRONG_USAGE)


def show(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Print the whole configuration in force.

    Defaults included, passwords left out.

    Example: consentmilter config show
    """
    command: Command = context.obj
    data = command.config.dump()
    data["store"] = {key: url and without_password(url) for key, url in data["store"].items()}
    if as_json:
        put_json(data)
    else:
        put([yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()])


def schema() -> None:
    """Print the JSON schema of the configuration file, for editors.

    Example: consentmilter config schema > consentmilter.schema.json
    """
    put_json(Config.model_json_schema())


for command_function in (check, show, schema):
    add_command(app, command_function)
