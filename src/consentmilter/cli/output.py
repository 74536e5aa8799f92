"""How commands speak: data on standard output, as text or JSON; talk on standard error.

Raises `OutputError` where data cannot be written, but for a reader who left: then there is nobody to tell.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer

from consentmilter.errors import ConsentMilterError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]

READER_LEFT = 141
"""What a shell shows of a program that SIGPIPE ended: `consentmilter explain ... | head -1`."""

_PASSWORD = re.compile(r"(?<=://)([^:@/]*):.*(?=@)|(?<=[?&])((?:ssl)?password)=[^&]*", re.IGNORECASE)


class OutputError(ConsentMilterError):
    """Standard output takes no more."""


def say(text: str) -> None:
    """Print a line of talk. If nobody hears it, the work goes on."""
    with suppress(OSError):
        typer.echo(text, err=True)


def put(lines: Iterable[str]) -> None:
    """Print lines of data."""
    _write("".join(f"{line}\n" for line in lines))


def put_json(data: Any) -> None:
    """Print data as JSON."""
    _write(f"{json.dumps(data, indent=2, ensure_ascii=not _is_utf8())}\n")


def printable(text: str) -> str:
    """Text from a message or a file, without what could play tricks on a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def without_password(url: str) -> str:
    """A store's URL as it may be shown."""
    return _PASSWORD.sub(lambda match: f"{match[1] or ''}:***" if match[2] is None else f"{match[2]}=***", url)


def _write(text: str) -> None:
    """Write data through to whoever reads it: what cannot be written shows now, and not when Python is on its way out.

    Text that the terminal's encoding lacks is escaped.
    """
    if sys.stdout is None:  # closed by whoever started the program
        raise OutputError("standard output is closed")
    encoding = sys.stdout.encoding
    with writing_out():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()


@contextmanager
def writing_out() -> Iterator[None]:
    """End the command in the right way if standard output takes no more of what is written to it inside."""
    try:
        yield
    except BrokenPipeError:
        _abandon_output()
        raise typer.Exit(READER_LEFT) from None
    except OSError as error:
        _abandon_output()
        raise OutputError(f"standard output: {error.strerror}") from error


def _abandon_output() -> None:
    """Let Python flush what it still holds, at its end, to where that does not fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_utf8() -> bool:
    return sys.stdout is not None and sys.stdout.encoding.lower().replace("-", "") == "utf8"
