"""How commands speak: data on standard output, as text or JSON; talk on standard error."""

import json
import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


def say(text: str) -> None:
    """Print a line of talk."""
    typer.echo(text, err=True)


def put(lines: Iterable[str]) -> None:
    """Print lines of data."""
    for line in lines:
        typer.echo(line)


def put_json(data: Any) -> None:
    """Print data as JSON."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=not _is_utf8(), default=str))


def printable(text: str) -> str:
    """Text from a message or a file, without what could play tricks on a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
