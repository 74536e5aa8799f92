"""The lines of a file: bounded in length, numbered, and without marks that are no text."""

import re
from collections.abc import Callable, Iterable, Iterator

MAX_LINE = 1 << 16
"""Characters; longer than any row that says something of one person."""

TOO_LONG = f"the line is longer than {MAX_LINE} characters"

_BYTE_ORDER_MARK = "\ufeff"
_LINE_END = re.compile(r"\r\n|\r|\n")


def bounded(read_line: Callable[[int], str]) -> Iterator[str]:
    """Every line of a file, cut after `MAX_LINE` characters, with the rest of it passed over.

    `read_line` is the method of a file that was opened with newline="". A cut line has no end of its own.
    """
    line = read_line(MAX_LINE)
    while line:
        yield line
        while len(line) == MAX_LINE and not line.endswith(("\r", "\n")):
            line = read_line(MAX_LINE)
        torn = len(line) == MAX_LINE and line.endswith("\r")
        line = read_line(MAX_LINE)
        if torn and line == "\n":  # a CR LF with the cut between the two is one line end
            line = read_line(MAX_LINE)


def too_long(line: str) -> bool:
    """Whether the line was cut."""
    return len(line) >= MAX_LINE and not line.endswith(("\r", "\n"))


def numbered(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Every line with its number, from 1, without the byte order mark that some editors put at the beginning."""
    for number, line in enumerate(lines, 1):
        yield number, plain(line)


def plain(line: str) -> str:
    """The line without a byte order mark; files that were joined have them in the middle, too."""
    return line.removeprefix(_BYTE_ORDER_MARK)


def is_blank(line: str) -> bool:
    """Whether the line is empty or a comment."""
    text = line.strip()
    return not text or text.startswith("#")


def first_line(sample: str) -> str:
    """The first line of a file that is neither empty nor a comment, trimmed."""
    lines = (plain(line) for line in _LINE_END.split(sample))
    return next((line.strip() for line in lines if not is_blank(line)), "")
