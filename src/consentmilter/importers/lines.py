"""The lines of a text: bounded in length, numbered, and without marks that are no text.

Text comes from a `read` like that of a file opened for text, whose line ends are all LF, some thousand lines at a time.
"""

import re
from collections.abc import Callable, Iterator

MAX_LINE = 1 << 16
"""Characters; longer than any row that says something of one person."""

TOO_LONG = f"the line is longer than {MAX_LINE} characters"

BLOCK = 1 << 18
"""How many characters are read at a time."""

BYTE_ORDER_MARK = "\ufeff"

Read = Callable[[int], str]

_SEPARATOR_HINT = re.compile(r'"?sep=.?"?', re.IGNORECASE)
"""What spreadsheets put before a header to say what separates its columns; the header shows that by itself."""


def blocks(read: Read) -> Iterator[list[str]]:
    """Every line, without its end, in lists; of one that never ends no more than just too many characters are kept."""
    rest = ""
    while text := read(BLOCK):
        *lines, rest = (rest + text).split("\n")
        rest = rest[: MAX_LINE + 1]
        if lines:
            yield lines
    if rest:
        yield [rest]


def numbered(read: Read) -> Iterator[tuple[int, str]]:
    """Every line with its number, from 1, without byte order mark."""
    number = 0
    for lines in blocks(read):
        for line in lines:
            number += 1
            yield number, plain(line)


def too_long(line: str) -> bool:
    return len(line) > MAX_LINE


def plain(line: str) -> str:
    """The line without a byte order mark; files that were joined have them in the middle, too."""
    return line.removeprefix(BYTE_ORDER_MARK)


def is_blank(line: str) -> bool:
    """Whether the line is empty, a comment, or a spreadsheet's hint."""
    text = line.strip()
    return not text or text.startswith("#") or _SEPARATOR_HINT.fullmatch(text) is not None


def first_line(sample: str) -> str:
    """The first line of a text that is neither empty nor a comment, trimmed."""
    return next((line.strip() for line in map(plain, sample.split("\n")) if not is_blank(line)), "")
