"""`consentmilter init`: make the configuration, the keys and the databases."""

from typing import Annotated

import typer

from consentmilter.cli.output import AsJson, put, put_json, say
from consentmilter.cli.site import Command, random
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
    """Make the configuration, the key file, the store and the journal; what is there already is kept.

    Example: consentmilter init
    """
    command: Command = context.obj
    made = {"configuration": setup.make_config(command.config_file)}
    config = command.config
    made["keys"] = setup.make_keys(config, random)
    made["store"] = setup.make_store(config, command.ring)
    places = {
        "configuration": str(command.config_file),
        "keys": str(config.keys.file),
        "store": config.store.url,
        "journal": journal_url(config),
    }
    number = setup.add_token_key(config, random) if new_token_key else None
    if not setup.account_exists():
        say(f"note: there is no user {setup.ACCOUNT} on this machine; the files belong to who ran this")
    if as_json:
        put_json({"made": made, "places": places, "token_key": number})
        return
    put(
        f"{'made' if made.get(name) else 'kept' if name in made else 'beside'} {name}: {at}"
        for name, at in places.items()
    )
    if number is not None:
        put([f"token key {number} signs new links once the milter is reloaded"])
