"""docs/export.md against the program: its formats, and the keys of its JSON lines, both ways."""

import json

from consentmilter.exporters import FORMATS
from consentmilter.service.exporting import CHANGES
from tests.docs.pages import code, codes, page, table
from tests.exporters.writing import hashed, row, written, written_hashes

PAGE = page("export.md")


def test_every_format_is_on_the_page_and_no_other() -> None:
    """In one table, with what each cannot say."""
    named = [
        name for cells in table(PAGE, "format", "one line for", "for", "what it cannot say") for name in codes(cells[0])
    ]
    assert sorted(named) == sorted([*FORMATS, CHANGES])


def test_every_key_of_a_json_line_is_on_the_page_and_no_other() -> None:
    """Of entries with an address, for a domain, without an address, and of a hash list, together."""
    lines = [written("jsonl", each)[0] for each in (row(), row("example.com"), row(None))]
    lines.append(written_hashes("jsonl", [hashed(bytes(16))])[0])
    assert {code(cells[0]) for cells in table(PAGE, "key of a JSON line", "type", "meaning")} == {
        key for line in lines for key in json.loads(line)
    }


def test_the_example_of_a_json_line_is_one() -> None:
    """With the keys of an entry with an address, in their order."""
    [example] = [line for line in PAGE.splitlines() if line.startswith("    {")]
    assert list(json.loads(example)) == list(json.loads(written("jsonl", row())[0]))


def test_the_keys_of_a_change_are_on_the_page() -> None:
    """All of them, in their order."""
    named = [code(cells[0]) for cells in table(PAGE, "key of a change", "meaning")]
    assert named == ["action", "at", "subject", "address", "scope", "reason", "origin", "batch"]
