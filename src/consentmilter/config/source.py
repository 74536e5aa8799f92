"""YAML text as data that still knows on which line each key stands."""

from dataclasses import dataclass
from typing import Any

import yaml

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys and list positions from the top."""


@dataclass(frozen=True)
class Source:
    """The data, the line of every key path (from 1), and the keys that stand twice."""

    data: Any
    lines: dict[KeyPath, int]
    duplicates: list[tuple[KeyPath, str]]

    @classmethod
    def read(cls, text: str) -> "Source":
        """Parse `text`; raises `yaml.YAMLError` or `ValueError`."""
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            lines: dict[KeyPath, int] = {}
            duplicates: list[tuple[KeyPath, str]] = []
            if node is not None:
                _walk(node, (), lines, duplicates)
            data = loader.construct_document(node) if node is not None else {}
        finally:
            loader.dispose()
        return cls(data, lines, duplicates)

    def line(self, path: KeyPath) -> int:
        """The line of a key path, or of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    @staticmethod
    def show(path: KeyPath) -> str:
        """`streams["acme.newsletter"].category`, `classify[0].login`."""
        shown = ""
        for part in path:
            if isinstance(part, int):
                shown += f"[{part}]"
            elif part.replace("_", "").replace("-", "").isalnum():
                shown += f".{part}" if shown else part
            else:
                shown += f'["{part}"]'
        return shown


def _walk(node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], duplicates: list[tuple[KeyPath, str]]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            below = (*path, name)
            if name in seen:
                duplicates.append((below, "stands twice"))
            seen.add(name)
            lines[below] = key.start_mark.line + 1
            _walk(value, below, lines, duplicates)
    elif isinstance(node, yaml.SequenceNode):
        for position, value in enumerate(node.value):
            _walk(value, (*path, position), lines, duplicates)
