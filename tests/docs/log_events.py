"""Every event that the program logs, found in its source: name, level, fields.

Understood are calls of a logger's method (`_log.info("name", field=...)`), of a local name for one or two of them
(`tell = log.debug if ... else log.info`), and of functions that take the event's name as an argument and log it
(`notice("name", field=...)`). An event whose name cannot be told is an error, so that none escapes the documentation.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


@dataclass
class Event:
    """One event: the levels at which it is logged, and the fields that it may have."""

    name: str
    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


class UnknownEventError(Exception):
    """A log call whose event cannot be told from the source."""


def find_events(paths: list[Path]) -> dict[str, Event]:
    """The events of these modules, by name."""
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    functions = [(path, each) for path, tree in modules.items() for each in _functions(tree)]
    forwarders = {function.name: event for _, function in functions if (event := _forwarded(function)).levels}
    events: dict[str, Event] = {}
    understood = set()
    for path, function in functions:
        for call in _calls(function):
            found = _logged(call, function) or (forwarders.get(_called(call)) if not _is_method(call) else None)
            if found is None:
                continue
            understood.add(call)
            if not _hands_on(call, function):
                event = events.setdefault(name := _name(call, path), Event(name))
                event.levels |= found.levels
                event.fields |= found.fields | _fields(call, function)
    for path, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _is_method(node) and node not in understood:
                raise UnknownEventError(f"{path}:{node.lineno}: not understood: {ast.unparse(node)}")
    return events


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _calls(function: ast.AST) -> Iterator[ast.Call]:
    """The calls in a function that have a positional argument; those of functions inside it are theirs."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Call) and node.args:
            yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _calls(node)


def _is_method(call: ast.Call) -> bool:
    """Whether a logger's method is called by its own name."""
    function = call.func
    return isinstance(function, ast.Attribute) and function.attr in LEVELS and _is_logger(function.value)


def _is_logger(node: ast.AST) -> bool:
    """`log`, `_log`, `self._log` or `log.get()`."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "get" and _is_logger(node.func.value)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("log", "_log", "logger", "_logger")


def _logged(call: ast.Call, function: ast.AST) -> Event | None:
    """What a call logs, its name aside; None if it calls neither a logger's method nor a local name for one."""
    if _is_method(call):
        assert isinstance(call.func, ast.Attribute)
        return Event("", {LEVELS[call.func.attr]})
    levels = _aliases(function).get(call.func.id) if isinstance(call.func, ast.Name) else None
    return Event("", levels) if levels else None


@cache
def _aliases(function: ast.AST) -> dict[str, set[str]]:
    """Local names for logger's methods, and the levels of these."""
    aliases = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            methods = [part for part in ast.walk(node.value) if isinstance(part, ast.Attribute)]
            levels = {LEVELS[part.attr] for part in methods if part.attr in LEVELS and _is_logger(part.value)}
            called = any(isinstance(part, ast.Call) and _is_method(part) for part in ast.walk(node.value))
            if levels and not called:
                aliases[node.targets[0].id] = levels
    return aliases


def _forwarded(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Event:
    """How a function logs the event that its caller names; without levels if it does not."""
    event = Event("")
    for call in _calls(function):
        if _hands_on(call, function) and (found := _logged(call, function)):
            event.levels |= found.levels
            event.fields |= _fields(call, function)
    return event


def _hands_on(call: ast.Call, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the first argument is the function's own first one, `self` aside."""
    own = [argument.arg for argument in function.args.args if argument.arg != "self"][:1]
    return isinstance(call.args[0], ast.Name) and [call.args[0].id] == own


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _name(call: ast.Call, path: Path) -> str:
    first = call.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    raise UnknownEventError(f"{path}:{call.lineno}: the event's name cannot be told: {ast.unparse(call)}")


def _fields(call: ast.Call, function: ast.AST) -> set[str]:
    """The names of the fields; those handed over as `**mapping` too, if the mapping is written out in the function."""
    given = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
    mappings = [keyword.value for keyword in call.keywords if keyword.arg is None]
    names = {mapping.id for mapping in mappings if isinstance(mapping, ast.Name)}
    for node in ast.walk(function):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and getattr(target, "id", None) in names:
            mappings.append(node.value)
    given |= {str(key.value) for each in mappings for key in _keys(each) if isinstance(key, ast.Constant)}
    return given - {"exc_info"}


def _keys(value: ast.AST) -> list[ast.expr | None]:
    return [key for part in ast.walk(value) if isinstance(part, ast.Dict) for key in part.keys]
