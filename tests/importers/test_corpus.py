"""One file of every known system, whole and damaged, and what is read from it: `NAME.expected` beside each file.

    python -m tests.importers.test_corpus

writes what is read now, to be looked through like any other change.
"""

from pathlib import Path

import pytest

from consentmilter.importers import SHAPES, BadRow, Entry, Hashed, Keyed, Row, Skipped, read_rows, recognise
from consentmilter.importers.vendors import VENDORS
from consentmilter.service.unpacking import examine, text_of

CORPUS = Path(__file__).parent / "corpus"
FILES = sorted(path for path in CORPUS.iterdir() if path.suffix != ".expected")


def told(path: Path) -> str:
    """Everything that is read from a file, a line each."""
    with path.open("rb") as file:
        examined = examine(file)
        plan = recognise(examined.sample, file_name=path.name)
        head = [f"{plan.format} {plan.shape}, {examined.packing or 'not packed'}, {examined.encoding}: {plan.why}"]
        if plan.dialect.reason:
            head.append(f"reason {plan.dialect.reason}")
        with text_of(file, examined.packing, examined.encoding) as text:
            lines = [*head, *map(_told, read_rows(text.read, plan))]
    return "".join(line.encode("utf-8", "backslashreplace").decode() + "\n" for line in lines)


def _told(row: Row) -> str:
    match row:
        case Entry():
            what = f"{row.address!r} {row.evidence!r}" if row.evidence else repr(row.address)
        case Hashed():
            what = f"digest {row.digest.hex()[:8]}… of {len(row.digest)} octets, list {row.list}"
        case Keyed():
            what = f"subject {row.subject.hex()[:8]}…, key {row.key}"
        case Skipped():
            return f"{row.line} skipped: {row.kind}"
        case BadRow():
            return f"{row.line} bad {row.column}: {row.cause} {list(row.cells)}"
    times = f"at {row.at and row.at.isoformat()} until {row.expires and row.expires.isoformat()}"
    return f"{row.line} {what}, {row.reason}, {times}, {row.scope}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_is_read_as_expected(path: Path) -> None:
    """What it was taken for and why, and each row with its line."""
    expected = path.with_name(f"{path.name}.expected")
    assert told(path) == expected.read_text(encoding="utf-8")


def test_every_dialect_has_a_file() -> None:
    """And none is recognised as another's; a feed of changes is refused, and so it is elsewhere."""
    found = {path.with_name(f"{path.name}.expected").read_text(encoding="utf-8").split()[0] for path in FILES}
    assert found == (set(VENDORS) | set(SHAPES)) - {"consentmilter-changes"}


def main() -> None:
    """Write down what is read now."""
    for path in FILES:
        path.with_name(f"{path.name}.expected").write_text(told(path), encoding="utf-8")


if __name__ == "__main__":
    main()
