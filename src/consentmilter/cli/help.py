"""How commands show their help: a sentence, what else there is to know, and an example on a line of its own."""

import inspect
from collections.abc import Callable
from typing import Any

import typer

SETTINGS: dict[str, Any] = {
    "no_args_is_help": True,
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}
"""What all of our typer applications have in common."""

_AS_IT_STANDS = "\b\n"
"""Before a paragraph it says: do not wrap its lines, which could then not be copied."""


def add_command(app: typer.Typer, function: Callable[..., Any], name: str | None = None) -> None:
    """Make a command of a function, with its docstring as the help."""
    text = inspect.getdoc(function) or ""
    app.command(name, help=text.replace("Example: ", f"{_AS_IT_STANDS}Example: "))(function)
