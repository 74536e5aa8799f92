"""Where a command writes a file of data: a draft first, handed out when all of it is there.

A file is replaced as a whole, with mode 0600; on standard output nothing appears before the end. Raises UsageError for
a place that can be no file, and OutputError where writing fails.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from consentmilter.cli.output import OutputError, printable, writing_out
from consentmilter.errors import UsageError

STDOUT = "-"


@contextmanager
def destination(output: str) -> Iterator[BinaryIO]:
    """A draft, which is handed out when everything went well."""
    if output == STDOUT:
        with _reported("the temporary directory"), tempfile.TemporaryFile() as draft:
            yield draft
            draft.seek(0)
            _print(draft)
        return
    path = Path(os.path.realpath(output))
    if path.exists() and not path.is_file():
        raise UsageError(f"{printable(output)}: not a regular file (- is standard output)")
    if not path.parent.is_dir():
        raise UsageError(f"{printable(output)}: the directory is missing")
    with _reported(output), _replacing(path) as file:
        yield file


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that takes the place of `path` when it is complete and on the disk."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)  # there is one only if it did not come to the end
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def _reported(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{printable(name)}: {error.strerror}") from error


def _print(draft: BinaryIO) -> None:
    if sys.stdout is None:  # closed by whoever started the program
        raise OutputError("standard output is closed")
    with writing_out():
        shutil.copyfileobj(draft, sys.stdout.buffer)
        sys.stdout.buffer.flush()
