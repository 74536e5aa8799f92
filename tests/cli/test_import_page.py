"""docs/import.md and the pages of docs/coming-from against the program: every format, column and command."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from consentmilter.importers import COLUMNS, FORMATS
from consentmilter.importers.vendors import VENDORS
from consentmilter.model import Reason
from tests.cli.installation import Installation
from tests.docs.pages import DOCS, code, codes, page, table

PAGES = sorted((DOCS / "coming-from").glob("*.md"))
ROWS = table(page("import.md"), "format", "what it is", "reason", "rows that are passed over")
COMMANDS = [
    (path.stem, line.strip())
    for path in PAGES
    for line in path.read_text(encoding="utf-8").splitlines()
    if line.startswith("    consentmilter import ")
]


def test_every_format_is_on_the_page_and_no_other() -> None:
    """In the order of the help."""
    assert [code(row[0]) for row in ROWS] == list(FORMATS)


@pytest.mark.parametrize("row", [row for row in ROWS if code(row[0]) in VENDORS], ids=lambda row: row[0])
def test_the_reasons_of_a_format_are_on_the_page_and_no_others(row: list[str]) -> None:
    """Those that its rows get without a word of the user's."""
    dialect = VENDORS[code(row[0])]
    given = {dialect.reason, *dialect.words.values(), *dialect.flags.values()} & set(Reason)
    said = set(codes(row[2])) & set(Reason)
    assert given <= said
    assert said == given or "reason" in dialect.columns


def test_every_column_is_on_the_page_and_no_other() -> None:
    """Those that --map takes."""
    rows = table(page("import.md"), "ours", "usual names", "what it holds")
    assert [code(row[0]) for row in rows] == list(COLUMNS)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[command for _, command in COMMANDS])
def test_every_command_of_the_pages_is_one(name: str, command: str) -> None:
    """Its options are there, and what they name."""
    site = [word for word in shlex.split(command)[2:] if not word.endswith("*.csv")]
    for option, value in pairwise(site):
        assert option != "--format" or value in FORMATS
        assert option != "--reason" or value in set(Reason)
    assert {word for word in site if word.startswith("--")} <= {
        "--format", "--hashed-from", "--list", "--map", "--move-to", "--reason", "--rejects", "--scope",
    }  # fmt: skip


def test_every_page_has_its_command_and_its_name() -> None:
    """A page without one would help nobody."""
    assert {name for name, _ in COMMANDS} == {path.stem for path in PAGES}
    assert all(path.read_text(encoding="utf-8").startswith("# Coming from ") for path in PAGES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_pages_have_one_sentence_a_line(path: Path) -> None:
    """Like those above them."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("    ") and re.search(r"[.!?] [A-Z]", line)] == []


def test_a_command_of_a_page_does_what_it_says(site: Installation) -> None:
    """HubSpot's types, which are the least plain of all."""
    header = "Email,Portal Unsubscribe,Marketing Information\n"
    listed = site.file("hubspot.csv", header + "a@x.example,,TRUE\nb@x.example,TRUE,\nc@x.example,,\n")
    site.run("import", listed)
    site.run("import", listed, "--format", "csv", "--map", "optout=Marketing Information", "--scope", "acme.newsletter")
    query = "SELECT address, scope, reason FROM suppression ORDER BY address"
    assert site.rows(query) == [
        ("a@x.example", "acme.newsletter", "imported"),
        ("b@x.example", "*", "unsubscribe"),
    ]
