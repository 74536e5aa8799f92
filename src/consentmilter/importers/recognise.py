"""What a file is, from its beginning and its name: how it is written, and whose it is.

Raises `HeaderError` for a file that cannot be read as it is, with what to add to the command.
"""

import csv
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consentmilter.importers import csv_rows, json_rows
from consentmilter.importers.columns import columns_of, listed, named
from consentmilter.importers.dialects import COLUMNS, GENERIC, Dialect, Shape
from consentmilter.importers.key_rows import is_access
from consentmilter.importers.lines import first_line, is_blank, plain
from consentmilter.importers.rows import HeaderError
from consentmilter.importers.values import is_digest, word
from consentmilter.importers.vendors import VENDORS

SHAPES: Mapping[str, str] = {
    "csv": "a list with columns",
    "jsonl": "JSON lines",
    "json": "a JSON array",
    "txt": "a plain list",
    "hashes": "a hash list",
    "postfix": "a Postfix access map",
}
"""What a format is called that says how a file is written, and not whose it is."""

FORMATS = (*SHAPES, *VENDORS)
"""Every name that a file's format can be given by."""

DELIMITERS = ",;\t"
_SAMPLE_ROWS = 200
_LISTED = re.compile(r".*@\S+|\.?[\w-]+(?:\.[\w-]+)+\.?")


@dataclass(frozen=True, slots=True)
class Plan:
    """How to read a file.

    `format` is the name of the dialect, or of the shape where it is nobody's in particular; `why` says what it was
    recognised by. `names` are the columns of a file that has any, and the keys of the first object of JSON; `header`
    says whether they stand in the file. `columns` are those that the user named.
    """

    format: str
    shape: Shape
    why: str = ""
    names: tuple[str, ...] = ()
    delimiter: str = ","
    header: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def dialect(self) -> Dialect:
        return VENDORS.get(self.format, GENERIC)

    @property
    def title(self) -> str:
        """What the file is, in words."""
        return VENDORS[self.format].title if self.format in VENDORS else SHAPES[self.shape]


def recognise(
    sample: str, *, file_name: str = "", wanted: str | None = None, columns: Mapping[str, str] | None = None
) -> Plan:
    """How to read a file that begins with `sample`.

    `wanted` is one of `FORMATS`, where the user named it; `columns` maps our names of columns to the file's, or to
    nothing where the file's own shall not be read.
    """
    columns = columns or {}
    shape = _shape(sample, wanted, columns)
    looked = _Looked(sample, file_name.rpartition("/")[2], wanted, columns)
    match shape:
        case "csv":
            plan = looked.columns_of_csv()
        case "json" | "jsonl":
            plan = looked.keys_of_json(shape)
        case _:
            if columns:
                raise HeaderError(f"{SHAPES[shape]} has no columns to map (is it --format csv?)")
            if shape == "txt" and wanted is None:
                _refuse_what_is_no_list(sample)
            plan = Plan(shape, shape, _KEYS_WHY[shape])
    if plan.dialect.refused:
        raise HeaderError(f"this is {plan.dialect.title}: {plan.dialect.refused}")
    return plan


_KEYS_WHY: Mapping[Shape, str] = {
    "txt": "one address or domain a line",
    "hashes": "one digest of hexadecimal digits a line",
    "postfix": "a key and an action a line",
}


def _refuse_what_is_no_list(sample: str) -> None:
    """Refuse text of which nothing looks like an address or a domain: who knows what its lines would give away."""
    lines = [line.strip() for line in map(plain, sample.split("\n")) if not is_blank(line)]
    if lines and not any(map(_LISTED.fullmatch, lines)):
        raise HeaderError("this is no list: there is no line that is an address or a domain", "--format txt")


def _shape(sample: str, wanted: str | None, columns: Mapping[str, str]) -> Shape:
    first = first_line(sample)
    written: Shape = "csv"
    if first.startswith("{"):
        written = "json" if _is_document(first, sample) else "jsonl"
    elif re.match(r"\[\s*(?:[{\]]|$)", first):
        written = "json"
    if wanted in SHAPES:
        return wanted  # type: ignore[return-value]  # the shapes' names are those of the type
    if written != "csv" or wanted or columns:
        return written
    if is_digest(first):
        return "hashes"
    if is_access(first):
        return "postfix"
    return "csv" if _has_columns(first) else "txt"


def _is_document(first: str, sample: str) -> bool:
    """Whether what begins with { is one object with an array in it, and not an object a line."""
    if json_rows.holds_array(first):
        return True
    begin = sample.index("{")
    beside = sample[begin : sample.find("{", begin + 1) + 1]
    return first == "{" or re.search(r"\"\s*:\s*\[\s*\{$", beside) is not None


def _has_columns(line: str) -> bool:
    """Whether the first line of a file shows that it has columns: a delimiter, or a name that says who."""
    return _names_who([line.strip('"')]) or any(delimiter in line for delimiter in DELIMITERS)


def _names_who(names: Sequence[str]) -> bool:
    return any(word(name) in (*COLUMNS["email"], *COLUMNS["hash"]) for name in names)


@dataclass(frozen=True, slots=True)
class _Looked:
    """The beginning of a file, and what is known of it beforehand."""

    sample: str
    file_name: str
    wanted: str | None
    columns: Mapping[str, str]

    def keys_of_json(self, shape: Shape) -> Plan:
        names = tuple(json_rows.first_object(self.sample, array=shape == "json"))
        dialect = self._dialect(names) or GENERIC
        if dialect is GENERIC:
            return Plan(shape, shape, f"objects with {listed(names)}", names, columns=self.columns)
        return Plan(dialect.name, shape, self._because(dialect, names), names, columns=self.columns)

    def columns_of_csv(self) -> Plan:
        first = first_line(self.sample)
        for dialect in VENDORS.values():
            if dialect.first_line and self.wanted in {None, dialect.name} and re.fullmatch(dialect.first_line, first):
                return self._without_header(dialect, first)
        start, line = self._header_line()
        delimiter = max(DELIMITERS, key=lambda each: (self._fits(csv_rows.split(line, each)), line.count(each)))
        cells = csv_rows.split(line, delimiter)
        if self._has_no_header(cells):
            places = tuple(str(at) for at in range(1, len(cells) + 1))
            name, why = (self._dialect(cells) or GENERIC).name, "columns by their place"
            return Plan(name, "csv", why, places, delimiter, columns=self.columns)
        names = self._header(start, delimiter)
        dialect = self._dialect(names) or GENERIC
        try:
            found = columns_of(names, dialect, self.columns)
        except HeaderError as error:
            raise HeaderError(str(error), self._mend(names, delimiter) or error.mend) from error
        name = dialect.name
        why = self._because(dialect, names)
        if dialect is GENERIC:
            why = ", ".join(f"{ours} in {names[at[0]]!r}" for ours, at in found.items())
        return Plan(name, "csv", why, tuple(names), delimiter, header=True, columns=self.columns)

    def _without_header(self, dialect: Dialect, first: str) -> Plan:
        width = len(csv_rows.split(first, ","))
        names = (*dialect.names[:width], *(str(at) for at in range(len(dialect.names) + 1, width + 1)))
        return Plan(dialect.name, "csv", f"the form of the first line, {first[:60]!r}", names, columns=self.columns)

    def _header_line(self) -> tuple[int, str]:
        """The line that the header begins in, and what number it has."""
        lines = [plain(line) for line in self.sample.split("\n")]
        for at, line in enumerate(lines):
            if not is_blank(line) or any(_names_who(csv_rows.split(line, each)) for each in DELIMITERS):
                return at, line
        return len(lines) - 1, lines[-1]

    def _header(self, start: int, delimiter: str) -> list[str]:
        source = iter(f"{plain(line)}\n" for line in self.sample.split("\n")[start:])
        try:
            return next(csv.reader(source, delimiter=delimiter, strict=True), [])
        except csv.Error as error:
            raise HeaderError(f"line {start + 1}: the header is not CSV: {error}") from error

    def _fits(self, names: Sequence[str]) -> bool:
        """Whether these names are of a dialect, or say where the addresses are."""
        try:
            columns_of(names, self._dialect(names) or GENERIC, self.columns)
        except HeaderError:
            return False
        return True

    def _has_no_header(self, cells: Sequence[str]) -> bool:
        """Whether columns are named by their place, and the first line is a row like the others."""
        by_place = any(alias.isdigit() for alias in (self._dialect(cells) or GENERIC).columns["email"])
        mapped = [name for name in self.columns.values() if name]
        if mapped and all(name.isdigit() and name not in cells for name in mapped):
            return True
        return by_place and bool(cells) and "@" in cells[0]

    def _dialect(self, names: Sequence[str]) -> Dialect | None:
        """The dialect that the user named, or the one of which most fits."""
        if self.wanted is not None:
            return VENDORS.get(self.wanted, GENERIC)
        words = named(names)
        fitting = [dialect for dialect in VENDORS.values() if self._is(dialect, words)]
        return max(fitting, key=lambda each: (bool(each.file_name), len(each.signature)), default=None)

    def _is(self, dialect: Dialect, words: frozenset[str]) -> bool:
        if dialect.file_name and not re.search(dialect.file_name, self.file_name, re.IGNORECASE):
            return False
        if dialect.mark and not re.search(dialect.mark, self.sample):
            return False
        return dialect.fits(words) or bool(dialect.file_name and not dialect.signature)

    def _because(self, dialect: Dialect, names: Sequence[str]) -> str:
        if self.wanted is not None:
            return ""
        columns = [name for name in names if word(name) in dialect.signature]
        said = f"columns {', '.join(columns)}" if columns else ""
        return " and ".join(filter(None, (said, f"its name, {self.file_name}" if dialect.file_name else "")))

    def _mend(self, names: Sequence[str], delimiter: str) -> str:
        """What to add to the command: the column in which addresses are seen."""
        if any("@" in name for name in names):
            return f"--map email={next(at for at, name in enumerate(names, 1) if '@' in name)}"
        rows = [csv_rows.split(line, delimiter) for line in self.sample.split("\n")[1:_SAMPLE_ROWS]]
        seen = Counter(at for row in rows for at, cell in enumerate(row) if "@" in cell and at < len(names))
        return f"--map {shlex.quote(f'email={names[seen.most_common(1)[0][0]]}')}" if seen else ""
