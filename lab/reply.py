"""An SMTP reply, and what a test expects of it.

`expects` raises `AssertionError` naming the reply, so that a failed dialogue says what was answered.
"""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply code and its text, the lines of a multi-line reply joined by line feeds."""

    code: int
    text: str

    def expects(self, code: int, *parts: str) -> Self:
        """Hold that this is the code and that each part stands somewhere in the text."""
        assert self.code == code, f"expected {code}, got {self}"
        for part in parts:
            assert part in self.text, f"expected {part!r} in {self}"
        return self

    def __str__(self) -> str:
        return f"{self.code} {self.text}"
