"""The files that an import is asked for: named ones, those of folders, and standard input; and where they go when done.

Raises `UsageError` for a name that leads to no file.
"""

import errno
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from consentmilter.cli.output import printable, say
from consentmilter.errors import UsageError

STDIN = "-"


class Named(NamedTuple):
    """A file that is meant; in a folder where others drop files, a link could lead to what only we may read."""

    name: str
    in_folder: bool = False


@dataclass(frozen=True)
class Source:
    """A file to import, open and seekable; `path` is None for standard input."""

    name: str
    file: BinaryIO
    path: Path | None = None

    @property
    def size(self) -> int:
        return os.fstat(self.file.fileno()).st_size


def named(names: list[str]) -> list[Named]:
    """Every file that is meant, those of folders one by one.

    A name that is wrong is noticed before anything of the first file goes in.
    """
    if names.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    found = [file for name in names for file in _files(name)]
    for file in found:
        _refuse_unreadable(file.name)
    return found


def opened(wanted: Named, stack: ExitStack) -> Source:
    """The file, seekable, since it is read twice: of a pipe a copy is kept on disk."""
    name = wanted.name
    try:
        if name == STDIN:
            return Source(name, _whole(_stdin(), stack))
        flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_NOFOLLOW if wanted.in_folder else 0)
        file = stack.enter_context(os.fdopen(os.open(name, flags), "rb"))
        return Source(name, _whole(file, stack), Path(name))
    except OSError as error:
        raise UsageError(f"{printable(name)}: {error.strerror}") from error


def put_away(source: Source, directory: Path) -> Path | None:
    """Move a file that is done to the directory, where it never takes the place of another: then it gets a number.

    A file that was put in its place meanwhile stays, for nobody has read it.
    """
    if source.path is None or not _is_still_there(source):
        return None
    target = _free_name(directory, source.path.name)
    try:
        source.path.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            target.unlink()
            raise UsageError(f"{printable(str(target))}: {error.strerror}") from error
        shutil.copyfile(source.path, target)
        source.path.unlink()
    return target


def _files(name: str) -> Iterator[Named]:
    """The file itself, or of a folder all that are files and not hidden, by name."""
    if name == STDIN or not Path(name).is_dir():
        yield Named(name)
        return
    try:
        entries = sorted(os.scandir(name), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{printable(name)}: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_file(follow_symlinks=False):
            yield Named(entry.path, in_folder=True)
        else:
            say(f"{printable(entry.path)}: passed over, it is no regular file")


def _refuse_unreadable(name: str) -> None:
    """Say in the system's words why a file cannot be read, if so."""
    if name == STDIN:
        return
    try:
        if not stat.S_ISFIFO(Path(name).stat().st_mode):  # to open a pipe takes its content
            os.close(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise UsageError(f"{printable(name)}: {error.strerror}") from error


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise UsageError("standard input (-) is closed")
    return sys.stdin.buffer


def _whole(file: BinaryIO, stack: ExitStack) -> BinaryIO:
    if _is_regular(file):
        return file
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(file, copy)
    copy.flush()
    return cast(BinaryIO, copy)


def _is_regular(file: BinaryIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except OSError:  # what stands in for standard input may have no descriptor
        return False


def _is_still_there(source: Source) -> bool:
    try:
        return source.path is not None and os.path.samestat(source.path.stat(), os.fstat(source.file.fileno()))
    except OSError:
        return False


def _free_name(directory: Path, name: str) -> Path:
    """A name in the directory that nothing had; it is there now, as an empty file."""
    for number in count(1):
        target = directory / (name if number == 1 else f"{name}.{number}")
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(f"{printable(str(target))}: {error.strerror}") from error
        return target
    raise AssertionError("there is always another number")
