"""The database file: where a URL says it is, whether it is there and still the same, and its making.

Raises StoreSetupError for a URL that names no SQLite file, a missing file and a network file system, StoreError where
the file system refuses. Never opens an existing database (see the package's trap).
"""

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import sqlalchemy as sa

from consentmilter.errors import StoreError, StoreSetupError
from consentmilter.store.sqlite.mounts import refuse_network

# Readers of a WAL write to its shared memory, so owner and group need both; the directory says which group.
_MODE = 0o660


class Identity(NamedTuple):
    """What stays the same as long as a path means the same file."""

    device: int
    inode: int


def database_path(url: str) -> Path:
    """The file that a store URL names."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # Neither the URL nor its parser's complaint is quoted: there may be a password in it.
        raise StoreSetupError("the store's URL is no URL; use sqlite:////absolute/path") from None
    shown = parsed.render_as_string(hide_password=True)
    if parsed.drivername != "sqlite":
        raise StoreSetupError(f"{shown}: {parsed.drivername!r} stores are not supported; use sqlite:////absolute/path")
    if parsed.host or parsed.query or not parsed.database or parsed.database.startswith((":", "file:")):
        raise StoreSetupError(f"{shown} names no file; use sqlite:////absolute/path, with four slashes")
    return Path(parsed.database)


def uri(path: Path) -> str:
    """The file as SQLite's URI, to which parameters can be added."""
    return f"file:{quote(str(path.absolute()))}"


def require(path: Path) -> Identity:
    """The identity of an existing database on a local disk."""
    refuse_network(path)
    return identity(path)


def identity(path: Path) -> Identity:
    """Which file the path means now."""
    try:
        status = os.stat(path)  # noqa: PTH116 - on the way of every look-up, Path.stat costs more
    except FileNotFoundError:
        raise StoreSetupError(f"there is no database at {path}: run `consentmilter init`") from None
    except OSError as error:
        raise StoreError(f"cannot look at the database {path}: {error.strerror}") from error
    return Identity(status.st_dev, status.st_ino)


def create_database(path: Path) -> None:
    """Make an empty database file, unless one is there."""
    refuse_network(path.parent)
    try:
        os.close(create(path))  # nobody has opened it through SQLite yet, so no lock is lost
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(f"cannot make the database {path}: {error.strerror}") from error


def create(path: Path) -> int:
    """Make an empty file for owner and group, whatever the umask, and return it open.

    SQLite gives -wal and -shm the mode of their database. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE)
    os.fchmod(descriptor, _MODE)
    return descriptor
