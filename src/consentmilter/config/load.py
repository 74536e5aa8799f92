"""Read the configuration file, and report every fault at once, each with file, line and key path.

`parse` takes the text, `load` the file. Both raise `ConfigError`; what they return needs no further check.
"""

import copy
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from consentmilter.config.check import find_faults
from consentmilter.config.schema import Config
from consentmilter.config.source import KeyPath, Source
from consentmilter.errors import ConfigError

_SHAPES = {
    "model_type": "must hold keys and values",
    "dict_type": "must hold keys and values",
    "list_type": "must be a list",
    "string_type": "must be text",
    "string_too_long": "must have at most {max_length} characters",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "path_type": "must be a path",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
"""What pydantic calls by the names of Python, in the words of the file."""


def load(path: Path) -> Config:
    """The configuration in the file at `path`."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file (consentmilter init makes one)"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 (octet {error.start})"]) from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """The configuration in `text`; `name` stands before the line number of every fault."""
    try:
        source = Source.read(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # PyYAML raises ValueError for a date that is none
        line, problem = _yaml_fault(error, text)
        raise ConfigError([f"{name}:{line}: not YAML: {problem}"]) from error
    if not isinstance(source.data, dict):
        raise ConfigError([f"{name}:1: the file must hold keys and values, such as 'mode: observe'"])
    faults = [(path, message) for path, message in source.duplicates]
    config, shape_faults = _validate(source.data)
    faults += shape_faults
    if config is not None:
        faults += [fault for fault in find_faults(config) if not _follows(fault[0], shape_faults)]
    if faults or config is None:
        lines = sorted({(source.line(path), _where(path, message)) for path, message in faults})
        raise ConfigError([f"{name}:{line}: {fault}" for line, fault in lines])
    return config


def _validate(data: dict[str, Any]) -> tuple[Config | None, list[tuple[KeyPath, str]]]:
    """The configuration, and the faults of shape; what is at fault is left out, so that the rest is checked too."""
    try:
        return Config.model_validate(data), []
    except ValidationError as error:
        faults = [_shape_fault(detail) for detail in error.errors()]
    pruned = copy.deepcopy(data)
    for path, _ in faults:
        _prune(pruned, path)
    try:
        return Config.model_validate(pruned), faults
    except ValidationError:
        return None, faults


def _follows(path: KeyPath, shape_faults: list[tuple[KeyPath, str]]) -> bool:
    """Whether a fault at `path` comes only of something at fault below it having been left out."""
    return any(shape[: len(path)] == path for shape, _ in shape_faults)


def _prune(data: Any, path: KeyPath) -> None:
    if not path:
        return
    *above, last = path
    for part in above:
        inside = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int))
        data = data[part] if inside else None
    if isinstance(data, dict):
        data.pop(last, None)


def _shape_fault(detail: ErrorDetails) -> tuple[KeyPath, str]:
    path: KeyPath = detail["loc"]
    if path[-1] == "[key]":
        path = (*path[:-2], str(path[-2]))
    match detail["type"]:
        case "extra_forbidden":
            return path, _unknown_key(path)
        case "missing":
            return path, "is missing"
        case "enum" | "literal_error":
            expected = detail["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
            return path, f"unknown value {detail['input']!r} (use {expected})"
        case "value_error":
            return path, str(detail["ctx"]["error"])
        case "invalid_key":
            return path[:-1], f"a key must be text, not {detail['input']!r} (put it in quotes)"
        case kind:
            given = "nothing" if detail["input"] is None else repr(detail["input"])
            return path, f"{_SHAPES.get(kind, detail['msg']).format(**detail.get('ctx', {}))}, not {given}"


def _unknown_key(path: KeyPath) -> str:
    known = sorted(_fields_at(path[:-1]))
    close = get_close_matches(str(path[-1]), known, n=1)
    return f"unknown key (did you mean {close[0]}?)" if close else f"unknown key (known here: {', '.join(known)})"


def _fields_at(path: KeyPath) -> list[str]:
    model: Any = Config
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            model = model.model_fields[str(part)].annotation
        else:
            model = get_args(model)[-1]
        while get_origin(model) in (Union, UnionType):
            model = get_args(model)[0]
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _where(path: KeyPath, message: str) -> str:
    return f"{Source.show(path)}: {message}" if path else message


def _yaml_fault(error: Exception, text: str) -> tuple[int, str]:
    """The line and what is wrong there, as far as PyYAML tells."""
    match error:
        case yaml.reader.ReaderError():
            return text.count("\n", 0, error.position) + 1, f"the character {error.character:#04x} is not allowed"
        case yaml.MarkedYAMLError(problem=str(problem), problem_mark=yaml.Mark(line=line)):
            # "expected a single document", "but found another"
            return line + 1, f"{error.context} {problem}" if problem.startswith("but ") else problem
        case RecursionError():
            return 1, "it is nested too deeply, or in itself"
        case _:
            return 1, str(error)
