"""Rows by their columns: which column holds what, found once, and then each row's cells made into what they say."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

from consentmilter.exporters.cells import unguarded
from consentmilter.importers.dialects import Dialect
from consentmilter.importers.rows import MAX_EVIDENCE, BadRow, Entry, Hashed, HeaderError, Keyed, Row, Skipped, clipped
from consentmilter.importers.values import COMMON_WORDS, ValueFault, digest, is_true, moment, unknown_reason, word
from consentmilter.model import Reason

LINE, CAUSE = "import_line", "import_cause"
"""The columns that a file of rejected rows has besides; they are not read again."""

_OURS = frozenset({word(LINE), word(CAUSE)})
_SEVERAL = frozenset({"evidence"})
"""Of these columns all that the file has are read; of others the first."""

_SHOWN = 60
_KNOWN_WORDS = 1000
_SUBJECT = re.compile(r"[0-9a-fA-F]{32}")


def named(names: Iterable[str]) -> frozenset[str]:
    """The names of columns as signatures have them, without those of rejected rows."""
    return frozenset(filter(None, map(word, names))) - _OURS


def columns_of(names: Sequence[str], dialect: Dialect, mapped: Mapping[str, str]) -> dict[str, list[int]]:
    """Where each of our columns is that the file has.

    `mapped` (from --map) comes first; a column of ours that it maps to nothing is not read. Raises `HeaderError` if
    there is no column that says who.
    """
    found = {}
    for ours in {**dialect.columns, **mapped}:
        aliases = dialect.columns.get(ours, ())
        at = _mapped(names, mapped[ours]) if ours in mapped else _known(tuple(names), aliases, ours in _SEVERAL)
        if at:
            found[ours] = at
    if len(found.get("email", ())) > 1:
        several = [names[at] for at in found["email"]]
        mend = "--map email=COLUMN" if len(set(several)) > 1 else ""
        raise HeaderError(f"several columns could hold the address: {listed(several)} (rename all but one)", mend)
    if not any(ours in found for ours in _WHO):
        raise HeaderError(f"no column of addresses among: {listed(names)}", "--map email=COLUMN")
    return found


def listed(names: Sequence[str]) -> str:
    """The names, as an error shows them."""
    return ", ".join(repr(name[:_SHOWN]) for name in names[:_SHOWN]) or "nothing"


class RowReader:
    """Makes what they say of the cells of a row, for one dialect and the columns of one file.

    Of millions of rows each step counts, so what depends on the file alone is settled when the reader is made. Cells
    `of_json` are what they are; those of a table may have been guarded against spreadsheets by our own export.
    """

    def __init__(
        self, dialect: Dialect, names: Sequence[str], mapped: Mapping[str, str], *, of_json: bool = False
    ) -> None:
        self.found = columns_of(names, dialect, mapped)
        known: dict[str, int] = {}
        for at, name in enumerate(names):
            known.setdefault(word(name), at)
        self._at = {ours: places[0] for ours, places in self.found.items()}
        self._who = next(ours for ours in _WHO if ours in self._at)
        self.email, self._reason, self._origin, self.date, self._expires, self._scope = (
            self._at.get(ours, -1) for ours in ("email", "reason", "origin", "date", "expires", "scope")
        )
        self._optout = self._at.get("optout", -1)
        self.width = len(names)
        self._dialect = dialect
        self._meanings = _Meanings({**COMMON_WORDS, **dialect.words})
        self._passed = [
            (known[each.column], re.compile(each.pattern, re.IGNORECASE), each.kind)
            for each in dialect.passed
            if each.column in known
        ]
        self._flags = [(known[column], reason) for column, reason in dialect.flags.items() if column in known]
        self._guarded = not of_json and (dialect.guarded or known.keys() >= _OURS)
        self._sorted = bool(self._passed or self._flags or dialect.nobody or self._optout >= 0)
        self.is_simple = self.email >= 0 > max(self._expires, self._scope) and not (self._guarded or self._sorted)
        """Whether nothing but an address, a reason and a date tells what a row says."""

    def __call__(self, line: int, cells: Sequence[str]) -> Row:
        """What the row says; `line` is where it begins."""
        if self._guarded or len(cells) < self.width:
            cells = self._complete(cells)
        try:
            kind, reason = self._sort(cells) if self._sorted else (None, None)
            if kind is None and self._reason >= 0:
                kind, meaning = self._meaning(cells)
                reason = reason or meaning
            return Skipped(line, kind) if kind else self._said(line, cells, reason)
        except ValueFault:
            return self._bad(line, cells)

    def reasons(self, cells: Sequence[str]) -> list[Reason | None] | None:
        """The reasons of several whole rows, whose cells follow each other; None if one of them is no opt-out."""
        if self._reason < 0:
            return [None] * (len(cells) // self.width)
        texts, origins = cells[self._reason :: self.width], cells[self._origin :: self.width]
        if self._origin < 0 and texts.count(texts[0]) == len(texts):
            kind, reason = self._meanings[texts[0]]
            return None if kind else [reason] * len(texts)
        found = [self._meanings[each] for each in (texts if self._origin < 0 else zip(texts, origins, strict=True))]
        return None if any(kind for kind, _ in found) else [reason for _, reason in found]

    def _complete(self, cells: Sequence[str]) -> Sequence[str]:
        """The cells as they were meant: none missing at the end, and without the marks of our own files."""
        if len(cells) < self.width:
            cells = [*cells, *[""] * (self.width - len(cells))]
        return list(map(unguarded, cells)) if self._guarded else cells

    def _sort(self, cells: Sequence[str]) -> tuple[str | None, Reason | None]:
        """What the row is in place of an opt-out, or the reason that a flag gives."""
        if self._dialect.nobody:
            return self._dialect.nobody, None
        for at, pattern, kind in self._passed:
            if pattern.fullmatch(cells[at].strip()):
                return kind, None
        if self._optout >= 0:
            return (None, None) if is_true(cells[self._optout]) else (self._dialect.unflagged, None)
        if self._flags:
            reason = next((reason for at, reason in self._flags if is_true(cells[at])), None)
            return None if reason else self._dialect.unflagged, reason
        return None, None

    def _meaning(self, cells: Sequence[str]) -> tuple[str | None, Reason | None]:
        """What the reason column says that the row is in place of an opt-out, or the reason that it gives."""
        text = cells[self._reason]
        return self._meanings[text if self._origin < 0 else (text, cells[self._origin])]

    def _said(self, line: int, cells: Sequence[str], reason: Reason | None) -> Row:
        at = moment(cells[self.date]) if self.date >= 0 else None
        expires = moment(cells[self._expires]) if self._expires >= 0 else None
        scope = cells[self._scope] or None if self._scope >= 0 else None
        if self.email >= 0:
            return Entry(line, _address(cells[self.email]), reason, at, self._evidence(cells), expires, scope, cells)
        if self._who == "subject":
            key = cells[self._at["key"]] if "key" in self._at else ""
            return Keyed(line, _subject(cells[self._at["subject"]]), key, reason, at, expires, scope, cells)
        list_name = cells[self._at["list"]] or None if "list" in self._at else None
        return Hashed(line, digest(cells[self._at["hash"]]), reason, at, expires, scope, list_name)

    def _bad(self, line: int, cells: Sequence[str]) -> BadRow:
        """Why the row cannot be used: the first column in which something is wrong."""
        columns: dict[str, Callable[[str], object]] = {"date": moment, "expires": moment}
        for ours, read in {self._who: _WHO[self._who], "reason": lambda _: self._meaning(cells), **columns}.items():
            try:
                if ours in self._at:
                    read(cells[self._at[ours]])
            except ValueFault as fault:
                return BadRow(line, ours, clipped(str(fault)), cells)
        raise AssertionError("there was a fault a moment ago")

    def _evidence(self, cells: Sequence[str]) -> str | None:
        if "evidence" not in self.found:
            return None
        texts = filter(None, (cells[at].strip() for at in self.found["evidence"]))
        return "; ".join(texts)[:MAX_EVIDENCE] or None


class _Meanings(dict[str | tuple[str, str], tuple[str | None, Reason | None]]):
    """What reasons mean, as they are written: what the row is in place of an opt-out, or a reason of ours."""

    def __init__(self, words: Mapping[str, Reason | str]) -> None:
        super().__init__()
        self._words = {word(text): meaning for text, meaning in words.items()}

    def __missing__(self, written: str | tuple[str, str]) -> tuple[str | None, Reason | None]:
        text, origin = written if isinstance(written, tuple) else (written, "")
        said = word(text)
        meaning = self._words.get(said + word(origin)) or self._words.get(said)
        if meaning is None and text.strip():
            raise unknown_reason(text)
        found = (None, meaning) if isinstance(meaning, Reason) or meaning is None else (meaning, None)
        if len(self) < _KNOWN_WORDS:
            self[written] = found
        return found


def _address(text: str) -> str:
    address = text.strip()
    if not address:
        raise ValueFault("no address")
    return address


def _subject(text: str) -> bytes:
    if not _SUBJECT.fullmatch(text):
        raise ValueFault("a subject key has 32 hexadecimal digits")
    return bytes.fromhex(text)


_WHO: Mapping[str, Callable[[str], str | bytes]] = {"email": _address, "hash": digest, "subject": _subject}
"""The columns that say who, the first that a file has."""


def _mapped(names: Sequence[str], wanted: str) -> list[int]:
    """The columns that the user named so."""
    if not wanted:
        return []
    found = [at for at, name in enumerate(names) if name.strip().lower() == wanted.strip().lower()]
    if not found:
        raise HeaderError(f"there is no column {wanted!r}; the file has: {listed(names)}")
    return found


@lru_cache(maxsize=256)  # JSON lines name their columns again in every row
def _known(names: tuple[str, ...], aliases: tuple[str, ...], several: bool) -> list[int]:
    """Where the columns are that bear the first of the aliases that any does; a digit is a place, from 1."""
    words = [word(name) for name in names]
    found: list[int] = []
    for alias in aliases:
        if alias.isdigit():
            found += [int(alias) - 1] if int(alias) <= len(names) else []
        else:
            found += [at for at, each in enumerate(words) if each == alias]
        if found and not several:
            return found
    return found
