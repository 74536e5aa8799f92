"""Write a file whole or not at all, with its mode and group, so that a crash at any point leaves nothing half-made.

What is written lies beside its place as a draft until it is on the disk. Raises `UsageError` with the path and the
cause where the file system refuses.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consentmilter.errors import UsageError

MODE = 0o640
"""Readable for the owner and the group, whatever the umask."""


def write_new(path: Path, text: str, owner: tuple[int, int] | None = None) -> bool:
    """Write a file unless there is one; whether it was written. `owner` are user and group."""
    with refusals_of(path), _alone_in(path.parent):
        if os.path.lexists(path):
            _drop_other_name(path)
            return False
        draft = _write_draft(path, text, owner)
        os.link(draft, path)  # where a rename would overwrite what others put there meanwhile
        draft.unlink()
        _sync_directory(path.parent)
    return True


def draft_of(path: Path) -> Path:
    """Where the draft of a file lies, also one that was left behind."""
    return path.with_name(f".{path.name}.new")


def write_draft(path: Path, text: str) -> None:
    """Put a draft beside an existing file, on the disk and of the same owner, for `take_draft` to put in its place."""
    with refusals_of(path), _alone_in(path.parent):
        status = path.stat()
        _write_draft(path, text, (status.st_uid, status.st_gid))
        _sync_directory(path.parent)


def take_draft(path: Path) -> None:
    """Put the draft of a file in its place."""
    with refusals_of(path), _alone_in(path.parent):
        draft_of(path).replace(path)
        _sync_directory(path.parent)


def make_directory(path: Path, mode: int, owner: tuple[int, int] | None = None) -> None:
    """Make a directory unless there is one; the one above it must be there. `owner` are user and group."""
    if path.is_dir():
        return
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the directory above it is missing")
    draft = draft_of(path)
    with refusals_of(path), _alone_in(path.parent):
        draft.mkdir(exist_ok=True)
        if owner is not None:
            os.chown(draft, *owner)
        draft.chmod(mode)
        draft.rename(path)
        _sync_directory(path.parent)


@contextmanager
def refusals_of(path: Path) -> Iterator[None]:
    """Say in a sentence what the file system refuses."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def _drop_other_name(path: Path) -> None:
    """Remove the draft of a file that was put in its place by a run that ended right behind that."""
    draft = draft_of(path)
    if draft.exists() and path.exists() and draft.samefile(path):
        draft.unlink()


def _write_draft(path: Path, text: str, owner: tuple[int, int] | None) -> Path:
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, MODE)
        os.fsync(descriptor)
    return draft


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keep others who write files in the same way out of the directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
