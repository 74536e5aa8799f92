"""A file of lines in two halves, so that two processes can read it at the same time."""

import os
from dataclasses import dataclass
from io import SEEK_SET, RawIOBase
from typing import Any


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the second half of a file begins: at which octet, and behind how many lines."""

    octet: int
    lines: int


class Cutting:
    """Looks for the line end behind the half, in the blocks of a file one after the other."""

    def __init__(self, octets: int) -> None:
        self._half = octets // 2
        self._seen = self._lines = 0
        self._after_return = False
        self._quotes = False
        self._cut: Cut | None = None

    def see(self, block: bytes) -> None:
        self._quotes = self._quotes or b'"' in block
        if self._cut is not None:
            return
        end = block.find(b"\n", max(self._half - self._seen, 0)) + 1
        self._count(block[:end] if end else block)
        self._seen += end or len(block)
        if end:
            self._cut = Cut(self._seen, self._lines)

    def cut(self, *, quotable: bool) -> Cut | None:
        """The place, if the file has one; a line end may be no end of a row where cells are `quotable`."""
        return None if quotable and self._quotes else self._cut

    def _count(self, block: bytes) -> None:
        """Count the lines as a text file does (universal newlines), also where CR LF lies across two blocks."""
        across = self._after_return and block.startswith(b"\n")
        self._lines += block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n") - across
        self._after_return = block.endswith(b"\r")


class Half(RawIOBase):
    """Some octets of an open file, which others may read and seek in meanwhile."""

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor = descriptor
        self._start, self._end = start, end
        self._at = start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = SEEK_SET, /) -> int:
        if whence != SEEK_SET:
            raise ValueError("half a file is sought in from its start only")
        self._at = self._start + offset
        return offset

    def tell(self) -> int:
        return self._at - self._start

    def readinto(self, buffer: Any) -> int:
        wanted = memoryview(buffer)[: max(self._end - self._at, 0)]
        octets = os.preadv(self._descriptor, [wanted], self._at) if wanted else 0
        self._at += octets
        return octets
