"""`consentmilter config`: check the configuration, show what it says, print its schema."""

from typing import Annotated

import typer
import yaml

from consentmilter.cli.output import AsJson, put, put_json, say
from consentmilter.cli.site import Command
from consentmilter.config import Config
from consentmilter.config.check import find_warnings

app = typer.Typer(no_args_is_help=True, help="Check and show the configuration.")


@app.command()
def check(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Check the configuration and the key file.

    Every fault is shown at once, each with its line and key path; exit code 2 if there is any.

    Example: consentmilter config check
    """
    command: Command = context.obj
    warnings = find_warnings(command.config)
    _ = command.ring
    if as_json:
        put_json({"file": str(command.config_file), "warnings": warnings})
        return
    for warning in warnings:
        say(f"warning: {warning}")
    put([f"{command.config_file}: good"])


@app.command()
def show(context: typer.Context, *, as_json: AsJson = False) -> None:
    """Print the whole configuration in force, defaults included.

    Example: consentmilter config show
    """
    command: Command = context.obj
    data = command.config.dump()
    data["store"] = {key: _without_password(url) for key, url in data["store"].items()}
    if as_json:
        put_json(data)
    else:
        put([yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()])


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration file, for editors.

    Example: consentmilter config schema > consentmilter.schema.json
    """
    put_json(Config.model_json_schema())


def _without_password(url: Annotated[str | None, "a store URL"]) -> str | None:
    if url is None or "@" not in url:
        return url
    before, _, after = url.rpartition("@")
    user, colon, _ = before.rpartition(":")
    return f"{user}:***@{after}" if colon and "//" in user else url
