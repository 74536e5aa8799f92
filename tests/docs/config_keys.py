"""The keys of the configuration, as the models have them."""

from dataclasses import dataclass
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from consentmilter.config.schema import Config
from consentmilter.config.section import Section

STREAM = "acme.newsletter"

_REQUIRED = {"organisations": {"title": "Acme Ltd"}, "classify": {"stream": STREAM}}


@dataclass(frozen=True)
class Key:
    """A key by its path: names that the site chooses are `*`, entries of lists `[]`."""

    path: str
    field: FieldInfo
    holds_keys: bool

    @property
    def description(self) -> str:
        assert self.field.description, f"{self.path} has no description in the schema"
        return self.field.description

    def given(self, value: Any) -> Config:
        """A configuration in which this key has `value`, and nothing else is set that needs not be."""
        return Config.model_validate(_nested(self.path.split("."), value))

    def absent(self) -> Config:
        """The same configuration without the key."""
        *above, _ = self.path.split(".")
        return Config.model_validate(_nested(above, {}) if above else {})


def keys() -> dict[str, Key]:
    """Every key by its path."""
    return {key.path: key for key in _below(Config, "")}


def _below(section: type[Section], prefix: str) -> list[Key]:
    found = []
    for name, field in section.model_fields.items():
        path = f"{prefix}{name}"
        inner, mark = _inner(field.annotation)
        found.append(Key(path, field, inner is not None))
        if inner is not None:
            found += _below(inner, f"{path}{mark}.")
    return found


def _inner(annotation: Any) -> tuple[type[Section] | None, str]:
    """The section that a key holds, and what stands for the way to it."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    origin = get_origin(annotation)
    if origin in (Union, UnionType) and len(arguments) == 1:
        return _inner(arguments[0])
    mark = {dict: ".*", list: "[]"}.get(origin, "")
    candidate = arguments[-1] if mark else annotation
    return (candidate if isinstance(candidate, type) and issubclass(candidate, Section) else None), mark


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    """`value` at `path`, with the keys beside it that are required."""
    name, *rest = path
    plain = name.removesuffix("[]")
    required = _REQUIRED.get(plain, {})
    if not rest:
        return {plain: [{**required, **value}] if name.endswith("[]") else value}
    if rest[0] == "*":
        inside = _nested(rest[1:], value) if rest[1:] else value
        return {plain: {_NAMES.get(plain, "acme"): {**required, **inside}}}
    inside = _nested(rest, value)
    return {plain: [{**required, **inside}] if name.endswith("[]") else inside}


_NAMES = {"streams": STREAM, "addresses": "example.com", "categories": "marketing"}
