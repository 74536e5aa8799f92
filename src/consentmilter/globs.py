"""Patterns with `*` for configuration: case-insensitive, matched in linear time.

`*` stands for any run of characters, none included; nothing else is special, so that an address literal such as
`*@[192.0.2.1]` means what it says. Regular expressions are not offered: a pattern from a configuration file must
never be able to stop the mail.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern, split once and matched often."""

    pattern: str
    pieces: tuple[str, ...]

    @classmethod
    def of(cls, pattern: str) -> "Glob":
        return cls(pattern, tuple(pattern.lower().split("*")))

    def matches(self, text: str) -> bool:
        """Whether the whole of `text` fits the pattern, letter case aside."""
        text = text.lower()
        first, *middle = self.pieces
        if not middle:
            return text == first
        last = middle.pop()
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        # Taking each piece at its leftmost place leaves the most room for the rest, so one pass is enough.
        position, end = len(first), len(text) - len(last)
        for piece in middle:
            found = text.find(piece, position, end)
            if found < 0:
                return False
            position = found + len(piece)
        return True


def any_matches(globs: tuple[Glob, ...], text: str) -> bool:
    """Whether at least one of `globs` fits `text`."""
    return any(glob.matches(text) for glob in globs)
