"""JSON: an object a line, or an array of objects that may stand inside another object, as APIs answer.

An array is never in memory as a whole. What is no object is a bad row, and reading goes on at the next one.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from consentmilter.importers.columns import RowReader
from consentmilter.importers.dialects import Dialect
from consentmilter.importers.lines import BYTE_ORDER_MARK, MAX_LINE, TOO_LONG, Read, blocks, plain, too_long
from consentmilter.importers.rows import BadRow, Entry, HeaderError, Keyed, Row, clipped

_FIRST = re.compile(r"\[\s*(?=[{\]])")
_NEXT = re.compile(r"[,\n]\s*(?=\{)")
_BLANKS = re.compile(r"[\s,]*")
_READERS = 64
_SHOWN = 200
_FORGET = 1 << 14
_TOO_DEEP = 1000
"""Characters that are passed over behind what is nested too deep, all of which is within."""

_Decoder = json.JSONDecoder()
_PLAIN = ("email", "hash", "subject", "reason", "date", "expires", "scope")
"""Columns that hold a single text or number; of a list, evidence can be made."""


class ObjectReader:
    """Makes rows of objects; `names` are the keys that rejected rows are written down with."""

    def __init__(self, dialect: Dialect, names: Sequence[str], columns: Mapping[str, str]) -> None:
        self._dialect = dialect
        self._names = names
        self._columns = columns
        self._readers: dict[tuple[str, ...], RowReader] = {}

    def row(self, line: int, data: Any) -> Row:
        if not isinstance(data, dict):
            return self.bad(line, "-", "not a JSON object", json.dumps(data))
        try:
            reader = self._reader(tuple(data))
        except HeaderError as error:
            return self._bad(line, "email", str(error), data)
        for ours in _PLAIN:
            for at in reader.found.get(ours, ()):
                value = list(data.values())[at]
                if isinstance(value, bool | list | dict):
                    cause = f"neither text nor a number: {json.dumps(value)}"
                    return self._bad(line, ours, cause, data)
        found = reader(line, [_text(value) for value in data.values()])
        return found._replace(cells=self._cells(data)) if isinstance(found, Entry | Keyed | BadRow) else found

    def bad(self, line: int, column: str, cause: str, text: str) -> BadRow:
        """A row that is no object."""
        return BadRow(line, column, clipped(cause), (clipped(text),))

    def _bad(self, line: int, column: str, cause: str, data: Mapping[str, Any]) -> BadRow:
        return BadRow(line, column, clipped(cause), self._cells(data))

    def _cells(self, data: Mapping[str, Any]) -> list[str]:
        return [_text(data.get(name)) for name in self._names]

    def _reader(self, names: tuple[str, ...]) -> RowReader:
        """What reads objects with these keys: not every object has every key, but each says who."""
        if names not in self._readers:
            if len(self._readers) >= _READERS:
                self._readers.clear()
            there = {name.strip().lower() for name in names}
            mapped = {
                ours: name if ours == "email" or name.strip().lower() in there else ""
                for ours, name in self._columns.items()
            }
            self._readers[names] = RowReader(self._dialect, names, mapped, of_json=True)
        return self._readers[names]


def read_lines(read: Read, reader: ObjectReader) -> Iterator[Row]:
    """Every object; a line that is none is a bad row."""
    number = 0
    for lines in blocks(read):
        for line in lines:
            number += 1
            text = plain(line).strip()
            if too_long(line):
                yield reader.bad(number, "-", TOO_LONG, text)
            elif text:
                yield _parsed(number, text, reader)


def read_array(read: Read, reader: ObjectReader) -> Iterator[Row]:
    """Every object of the first array of objects."""
    for line, text, data in _elements(read):
        if isinstance(data, ValueError | RecursionError):
            yield reader.bad(line, "-", f"not JSON: {getattr(data, 'msg', data)}", text.partition("\n")[0])
        else:
            yield reader.row(line, data)


def first_object(sample: str, *, array: bool) -> Mapping[str, Any]:
    """The first object of a file that begins with `sample`; none if there is none."""
    texts = iter([sample])
    found = (
        (data for _, _, data in _elements(lambda _: next(texts, "")))
        if array
        else (_loaded(line) for line in sample.split("\n") if line.strip())
    )
    return next((data for data in found if isinstance(data, dict)), {})


def holds_array(text: str) -> bool:
    """Whether an object has a list of objects among its values."""
    data = _loaded(text)
    return isinstance(data, dict) and any(
        isinstance(value, list) and any(isinstance(each, dict) for each in value) for value in data.values()
    )


def _parsed(number: int, text: str, reader: ObjectReader) -> Row:
    data = _loaded(text)
    if isinstance(data, ValueError | RecursionError):
        return reader.bad(number, "-", f"not JSON: {data}", text)
    return reader.row(number, data)


def _loaded(text: str) -> Any:
    """What the text says, or the fault that keeps it from being JSON."""
    try:
        return json.loads(text.strip().removeprefix(BYTE_ORDER_MARK))
    except (ValueError, RecursionError) as fault:
        return fault


class _Window:
    """A part of a long text, from the place that is read at the moment; it knows in which line that is."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self.text = ""
        self.at = 0
        self.line = 1
        self._ended = False

    def more(self) -> bool:
        """Read on; whether there was more."""
        if self._ended:
            return False
        text = self._read(2 * MAX_LINE)
        self._ended = not text
        self.text, self.at = self.text[self.at :] + text, 0
        return not self._ended

    def move(self, at: int) -> None:
        """Go on to a place in the text, and forget what lies far behind: errors count all of it."""
        self.line += self.text.count("\n", self.at, at)
        self.at = at
        if at > _FORGET:
            self.text, self.at = self.text[at:], 0

    def seek(self, pattern: re.Pattern[str]) -> bool:
        """Go behind the next match; whether there is one."""
        while not (match := pattern.search(self.text, self.at)):
            # Kept is what can be the beginning of a match; blanks without end begin none.
            self.move(max(self.at, len(self.text) - _FORGET))
            if not self.more():
                return False
        self.move(match.end())
        return True

    def skip(self) -> str:
        """Go to the next character that is neither blank nor a comma; nothing at the end."""
        while True:
            if match := _BLANKS.match(self.text, self.at):
                self.move(match.end())
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""


def _elements(read: Read) -> Iterator[tuple[int, str, Any]]:
    """Every element with its line and the beginning of its text; for one that is not JSON, the fault."""
    window = _Window(read)
    if not window.seek(_FIRST):
        yield 1, "", ValueError("there is no array of objects in it")
        return
    while (begin := window.skip()) not in {"", "]"}:
        line, start = window.line, window.text[window.at : window.at + _SHOWN]
        data = _element(window) if begin == "{" else ValueError("no object")
        yield line, start, data
        if isinstance(data, ValueError | RecursionError):
            window.move(window.at + (_TOO_DEEP if isinstance(data, RecursionError) else 1))
            if not window.seek(_NEXT):
                return


def _element(window: _Window) -> Any:
    """The object at the window's place, or the fault; one that goes on for longer than any row does is at fault."""
    while True:
        try:
            data, end = _Decoder.raw_decode(window.text, window.at)
        except (ValueError, RecursionError) as fault:
            if len(window.text) - window.at > MAX_LINE or not window.more():
                return fault
        else:
            window.move(end)
            return data


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() if all(isinstance(each, str | int | float) for each in value):
            return ", ".join(map(str, value))
        case list() | dict():
            return json.dumps(value)
        case _:
            return str(value)
