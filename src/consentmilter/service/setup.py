"""Make what a site needs to begin: configuration, key file, store and journal. Running it again changes nothing.

Whatever a run that was cut short left behind, the next one completes. Of a store on a server, the tables are made; the
database and the role are the server's administrator's. Raises `UsageError` or `KeyFileError` where
something is in the way, and `StoreError` for the databases.
"""

import asyncio
import grp
import os
import pwd
import stat
from enum import StrEnum
from importlib import resources
from pathlib import Path

from consentmilter.config import Config
from consentmilter.errors import KeyFileError
from consentmilter.keys import KeyRing
from consentmilter.service import keyfile
from consentmilter.service.keyfile import Random
from consentmilter.service.newfile import make_directory, refusals_of, write_new
from consentmilter.service.places import journal_url
from consentmilter.service.sealing import seal_all
from consentmilter.store.databases import database
from consentmilter.store.migrate import migrate, record_keys, schema_version
from consentmilter.store.schema import CORE, JOURNAL, Tree
from consentmilter.store.writer import Store

ACCOUNT = "consentmilter"
"""The user and group that the service runs as."""

STORE_MODE = 0o2770
"""The mode of the store's directory: readers of a WAL write there too, so it and what is in it are the group's."""

_FILE_MODE = 0o660

_MADE_EMPTY = ("", "-lock", "-turn")
"""What stands behind a database's name in the names of the files that belong to it: those that begin empty,"""

_COMPANIONS = (*_MADE_EMPTY, "-wal", "-shm")
"""and all of them."""


class State(StrEnum):
    """What became of one thing."""

    MADE = "made"
    KEPT = "kept"
    UPGRADED = "upgraded"


def make_config(path: Path) -> State:
    """Write a configuration to begin with, unless there is one."""
    make_directory(path.parent, 0o755)
    starter = resources.files("consentmilter.config").joinpath("starter.yaml").read_text(encoding="utf-8")
    made = write_new(path, starter, _share())
    _give(path, _share())
    return _made(made)


def make_keys(config: Config, random: Random) -> State:
    """Make the key file, unless there is one; refused where the store was made with one that is missing now."""
    if not config.keys.file.exists() and _store_has_schema(config):
        place = database(config.store.url)
        anew = f"move {place.name} away" if place.file else f"in another database than {place.name}"
        raise KeyFileError(
            f"{config.keys.file}: there is no such file, but the store was made with one: put that one back "
            f"(without it, the store can only be begun anew: {anew})"
        )
    make_directory(config.keys.file.parent, 0o755)
    made = keyfile.make_keys(config.keys.file, random, _share())
    _give(config.keys.file, _share())
    return _made(made)


def add_token_key(config: Config, random: Random) -> int:
    """Add a token key that signs from now on, in the store and the key file; the number of the key."""
    ring = keyfile.add_token_key(config.keys.file, random, lambda ring: record_keys(config.store.url, ring.checks()))
    return ring.token_current


def make_store(config: Config, ring: KeyRing) -> State:
    """Make or migrate the store, and note the keys."""
    state = _make_database(config.store.url, CORE)
    record_keys(config.store.url, ring.checks())
    if state is State.UPGRADED:
        asyncio.run(_seal(config.store.url, ring))
    _give_database(config.store.url)
    return state


async def _seal(url: str, ring: KeyRing) -> None:
    """Seal the entries of a ledger that is older than its chain."""
    async with Store.open(url, ring.checks()) as store:
        await seal_all(store)


def make_journal(config: Config) -> State:
    """Make or migrate the journal."""
    state = _make_database(journal_url(config), JOURNAL)
    _give_database(journal_url(config))
    return state


def gives_to_service() -> bool:
    """Whether what is made is given to the service: its user is there, and root runs this."""
    return _owner() is not None


def _store_has_schema(config: Config) -> bool:
    file = database(config.store.url).file
    return (file is None or file.exists()) and schema_version(config.store.url) is not None


def _made(made: bool) -> State:
    return State.MADE if made else State.KEPT


def _make_database(url: str, tree: Tree) -> State:
    if file := database(url).file:
        make_directory(file.parent, STORE_MODE, _owner())
        _open_to_group(file)
    found = migrate(url, tree)
    return State.MADE if found is None else State.KEPT if found == tree.version else State.UPGRADED


def _open_to_group(file: Path) -> None:
    """Give the mode that they should have to files of which nothing but the name was made yet."""
    for path in _files(file, _MADE_EMPTY):
        status = path.stat()
        ours = os.geteuid() in (0, status.st_uid)
        if ours and status.st_size == 0 and stat.S_IMODE(status.st_mode) != _FILE_MODE:
            path.chmod(_FILE_MODE)


def _give_database(url: str) -> None:
    file = database(url).file
    if file is None:
        return
    if stat.S_IMODE(file.parent.stat().st_mode) == STORE_MODE:  # else it is no directory of ours
        _give(file.parent, _owner())
    for path in _files(file, _COMPANIONS):
        _give(path, _owner())


def _files(file: Path, companions: tuple[str, ...]) -> list[Path]:
    every = (file.with_name(file.name + companion) for companion in companions)
    return [each for each in every if each.exists()]


def _give(path: Path, owner: tuple[int, int] | None) -> None:
    """Let the service have what is still root's, as after a run before there was an account or one cut short."""
    if owner is None:
        return
    with refusals_of(path):
        status = path.stat()
        if status.st_uid == 0 and status.st_gid in (0, owner[1]):
            os.chown(path, *owner)


def _account() -> tuple[int, int] | None:
    try:
        return pwd.getpwnam(ACCOUNT).pw_uid, grp.getgrnam(ACCOUNT).gr_gid
    except KeyError:
        return None


def _owner() -> tuple[int, int] | None:
    """To whom the store goes: the service, where root sets it up."""
    return _account() if os.geteuid() == 0 else None


def _share() -> tuple[int, int] | None:
    """To whom configuration and keys go: they stay root's, and the service's group reads them."""
    owner = _owner()
    return (0, owner[1]) if owner else None
