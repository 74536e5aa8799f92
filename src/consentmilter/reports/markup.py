"""The text of an HTML body, line by line, what it quotes marked with `>` as in a plain one.

A body from outside is read in one pass with a time that grows with its length; html.parser of the supported Pythons
does not promise that (CVE-2025-6069). It need not be exact: the text is looked through for short requests, never shown.
Never fails.
"""

import html
import re

_TAG = re.compile(r"(/?)([a-z][a-z0-9]{0,20})(?=[\s/>]|\Z)", re.IGNORECASE)
_UNSEEN = re.compile(r"</(?:head|style|script|title)", re.IGNORECASE)
_UNSEEN_NAMES = {"head", "style", "script", "title"}
_INLINE = {"a", "b", "em", "i", "strong", "span", "font", "u", "s", "small", "big", "sub", "sup", "bdo", "img", "code"}
_MAX_TAG = 2000
"""Characters of one tag in which marks are looked for."""

_QUOTE_BEGINS = (
    "yahoo_quoted",
    "divrplyfwdmsg",
    "appendonsend",
    "ms-outlook-mobile-reference-message",
    "border-top:solid #e1e1e1 1.0pt",
    "border-top:solid #b5c4df 1.0pt",
)
"""Marks in a tag behind which Yahoo and Outlook put the mail that is answered, without a blockquote around it."""


def text_of(markup: str) -> str:
    """The visible text of `markup`, up to the mark behind which a mail program puts what it answers."""
    return _Reader(markup).text()


class _Reader:
    """Walks once through the markup, from tag to tag."""

    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._lines: list[str] = []
        self._line: list[str] = []
        self._quotes = 0

    def text(self) -> str:
        position: int | None = 0
        while position is not None:
            start = self._markup.find("<", position)
            self._line.append(self._markup[position : start if start >= 0 else None])
            position = self._after(start) if start >= 0 else None
        self._end_line()
        return "\n".join(self._lines)

    def _after(self, start: int) -> int | None:
        """Where the text goes on behind what begins at `start`; None at the end of what is of interest."""
        if self._markup.startswith("<!--", start):
            return _behind(self._markup.find("-->", start), 3)
        tag = _TAG.match(self._markup, start + 1)
        if tag is None and not self._markup.startswith(("<!", "<?"), start):
            self._line.append("<")
            return start + 1
        end = self._markup.find(">", start)
        if tag is None or end < 0:
            return _behind(end, 1)
        return self._tag(tag[2].lower(), bool(tag[1]), start, end)

    def _tag(self, name: str, closes: bool, start: int, end: int) -> int | None:
        if name in _UNSEEN_NAMES and not closes:
            match = _UNSEEN.search(self._markup, end)
            return match.start() if match else None
        marks = self._markup[start : min(end, start + _MAX_TAG)].lower()
        if any(mark in marks for mark in _QUOTE_BEGINS):
            return None
        if name not in _INLINE:
            self._end_line()
        if name == "blockquote":
            self._quotes = max(0, self._quotes + (-1 if closes else 1))
        return end + 1

    def _end_line(self) -> None:
        line = " ".join(html.unescape("".join(self._line)).split())
        self._line.clear()
        if line:
            self._lines.append(f"> {line}" if self._quotes else line)


def _behind(found: int, length: int) -> int | None:
    return found + length if found >= 0 else None
