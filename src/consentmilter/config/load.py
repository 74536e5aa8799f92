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
    except (yaml.YAMLError, ValueError) as error:  # PyYAML lets ValueError through for dates that do not exist
        raise ConfigError([_yaml_fault(error, name)]) from error
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
    *above, last = path
    for part in above:
        inside = (isinstance(data, dict) and part in data) or (isinstance(data, list) and isinstance(part, int))
        data = data[part] if inside else None
    if isinstance(data, dict):
        data.pop(last, None)


def _shape_fault(detail: ErrorDetails) -> tuple[KeyPath, str]:
    path = tuple(part for part in detail["loc"] if part != "[key]")
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
        case _:
            return path, f"{detail['msg'][0].lower()}{detail['msg'][1:]}, not {detail['input']!r}"


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


def _yaml_fault(error: Exception, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = " ".join((getattr(error, "problem", None) or str(error)).split())
    return f"{name}:{mark.line + 1 if mark else 1}: not YAML: {problem}"
