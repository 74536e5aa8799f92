"""`consentmilter store`: bring the store to this version, back it up; its status and its copy are modules beside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from consentmilter.cli.help import SETTINGS, add_command
from consentmilter.cli.output import AsJson, DryRun, printable, put, put_json, without_password
from consentmilter.cli.site import Command
from consentmilter.cli.store_copy import copy
from consentmilter.cli.store_status import mebioctets, status
from consentmilter.service import migrating
from consentmilter.service.backing_up import Backup, back_up
from consentmilter.service.migrating import Migrated

app = typer.Typer(help="Migrate, look after, copy and back up the store.", **SETTINGS)


def migrate(context: typer.Context, *, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Bring the store and the journal to the schema of this version.

    What `init` does to the databases, and nothing else: for a role that may do nothing else, or a time that suits.

    Example: consentmilter store migrate --dry-run
    """
    command: Command = context.obj
    config = command.config
    done = migrating.preview(config) if dry_run else migrating.migrate(config, lambda: command.ring)
    if as_json:
        put_json(
            [
                {"tree": each.tree, "place": without_password(each.place), "from": each.found, "to": each.version}
                for each in done
            ]
        )
    else:
        put(_migrated(each, dry_run=dry_run) for each in done)


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The copy, a new file.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Write a copy of the store into a file, while the service runs.

    It is one state of the store, checked, and readable for its owner only. The keys are not in it. With PostgreSQL use
    what PostgreSQL has for it: this says the words of pg_dump, with exit code 2.

    Example: consentmilter store backup consent-backup.db
    """
    command: Command = context.obj
    made = back_up(command.config.store.url, command.ring.checks(), file)
    if as_json:
        put_json({"file": str(file), "octets": made.octets, "rows": dict(made.rows)})
    else:
        put(_backed_up(file, made))


for _command in (migrate, status, copy, backup):
    add_command(app, _command)


def _migrated(each: Migrated, *, dry_run: bool) -> str:
    place = f"{each.tree}: {without_password(each.place)}"
    if each.found == each.version:
        return f"{place}: has version {each.version} already"
    verb = "would be" if dry_run else "was"
    if each.found is None:
        return f"{place}: {verb} made, with version {each.version}"
    return f"{place}: {verb} migrated from version {each.found} to {each.version}"


def _backed_up(file: Path, made: Backup) -> Iterator[str]:
    held = ", ".join(f"{name} {rows}" for name, rows in made.rows.items() if rows)
    yield f"{printable(str(file))}: good, {mebioctets(made.octets)}; rows: {held or 'none'}"
