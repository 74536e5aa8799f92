"""Make what a site needs to begin: configuration, key file, store and journal. Running it again changes nothing.

Raises `UsageError` or `KeyFileError` where something is in the way, and `StoreError` for the databases.
"""

import grp
import os
import pwd
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from consentmilter.config import Config
from consentmilter.errors import UsageError
from consentmilter.keys import SECRET_OCTETS, KeyRing
from consentmilter.service.keyfile import read_keys, write_keys
from consentmilter.service.places import journal_url
from consentmilter.store.migrate import migrate, record_keys
from consentmilter.store.schema import JOURNAL
from consentmilter.store.sqlite.files import database_path

ACCOUNT = "consentmilter"
"""The user and group that the service runs as."""

Random = Callable[[int], bytes]


def make_config(path: Path) -> bool:
    """Write a configuration to begin with, unless there is one; whether it was written."""
    if path.exists():
        return False
    _make_directory(path.parent, 0o755)
    path.write_text(resources.files("consentmilter.config").joinpath("starter.yaml").read_text(encoding="utf-8"))
    path.chmod(0o640)
    _share(path)
    return True


def make_keys(config: Config, random: Random) -> bool:
    """Make the key file, unless there is one; whether it was made."""
    path = config.keys.file
    if path.exists():
        return False
    _make_directory(path.parent, 0o755)
    write_keys(path, KeyRing(1, random(SECRET_OCTETS), 1, {1: random(SECRET_OCTETS)}))
    _share(path)
    return True


def add_token_key(config: Config, random: Random) -> int:
    """Add a token key that signs from now on, and tell the store; the number of the key.

    The store learns of it first: a key file with a key that the store does not know would stop the mail.
    """
    ring = read_keys(config.keys.file).with_token_key(random(SECRET_OCTETS))
    record_keys(config.store.url, ring.checks())
    write_keys(config.keys.file, ring, replace=True)
    return ring.token_current


def make_store(config: Config, ring: KeyRing) -> bool:
    """Make or migrate the store and the journal, and note the keys; whether the store is new."""
    databases = [database_path(url) for url in (config.store.url, journal_url(config))]
    for path in databases:
        _make_store_directory(path.parent)
    found = migrate(config.store.url)
    migrate(journal_url(config), JOURNAL)
    record_keys(config.store.url, ring.checks())
    for path in databases:
        _give_database(path)
    return found is None


def account_exists() -> bool:
    """Whether the service's user and group are there."""
    return _account() is not None


def _account() -> tuple[int, int] | None:
    try:
        return pwd.getpwnam(ACCOUNT).pw_uid, grp.getgrnam(ACCOUNT).gr_gid
    except KeyError:
        return None


def _make_directory(path: Path, mode: int) -> None:
    if path.is_dir():
        return
    try:
        path.mkdir(mode=mode)
    except FileNotFoundError:
        raise UsageError(f"{path}: the directory above it is missing") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _make_store_directory(path: Path) -> None:
    if path.is_dir():
        return
    # Readers of a WAL write there too, so the directory is the group's, and so is what is made in it.
    _make_directory(path, 0o770)
    path.chmod(0o2770)
    account = _account()
    if os.geteuid() == 0 and account:
        os.chown(path, *account)


def _give_database(path: Path) -> None:
    account = _account()
    if os.geteuid() == 0 and account:
        for each in path.parent.glob(f"{path.name}*"):
            os.chown(each, *account)


def _share(path: Path) -> None:
    """Let the service's group read the file, which stays root's."""
    account = _account()
    if os.geteuid() == 0 and account:
        os.chown(path, 0, account[1])
