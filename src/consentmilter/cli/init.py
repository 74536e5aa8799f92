"""`consentmilter init`: make the configuration, the keys and the databases."""

import secrets
from collections.abc import Iterator
from typing import Annotated

import typer

from consentmilter.cli.output import AsJson, put, put_json, say, without_password
from consentmilter.cli.site import Command
from consentmilter.service import setup
from consentmilter.service.places import journal_url


def init(
    context: typer.Context,
    *,
    new_token_key: Annotated[
        bool, typer.Option("--new-token-key", help="Add a key that signs new links; links in mail already sent go on.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make configuration, key file, store and journal.

    What is there already is kept, the databases are brought to the schema of this version, and what an interrupted
    run left undone is done. As root, the service's user is given what it needs.

    Example: consentmilter init
    """
    command: Command = context.obj
    made: dict[str, dict[str, str]] = {}
    number = None
    try:
        for name, place, state in _steps(command):
            made[name] = {"place": place, "state": state}
            if not as_json:
                put([f"{state} {name}: {place}"])
        number = setup.add_token_key(command.config, secrets.token_bytes) if new_token_key else None
    finally:
        if made and as_json:
            put_json(made | {"token_key": number})
    if number is not None and not as_json:
        put([f"made token key {number}: it signs new links once the milter is reloaded"])
    if "made" in {each["state"] for each in made.values()} and not setup.gives_to_service():
        say(f"note: the files belong to who ran this; the service's user is {setup.ACCOUNT}, and only root gives to it")


def _steps(command: Command) -> Iterator[tuple[str, str, setup.State]]:
    """Make one thing after the other: its name, its place, and what became of it."""
    yield "configuration", str(command.config_file), setup.make_config(command.config_file)
    config = command.config
    yield "keys", str(config.keys.file), setup.make_keys(config, secrets.token_bytes)
    yield "store", without_password(config.store.url), setup.make_store(config, command.ring)
    journal = journal_url(config)
    yield "journal", without_password(journal), setup.make_journal(config)
