"""docs/operations.md and docs/log.md: the commands and the queries that they tell an admin to run."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from consentmilter.cli.commands import app
from consentmilter.store.migrate import migrate
from consentmilter.store.schema import CORE, JOURNAL
from tests.docs.pages import all_pages

PAGES = all_pages()
QUERIES = sorted(set(re.findall(r'sqlite3 -readonly (?:-\w+ )*(\S+\.db) "([^"]+)"', "\n".join(PAGES.values()))))


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    """An empty store and an empty journal."""
    for tree, name in ((CORE, "consent.db"), (JOURNAL, "journal.db")):
        migrate(f"sqlite:///{tmp_path / name}", tree)
    return tmp_path


@pytest.mark.parametrize(("named", "query"), QUERIES)
def test_every_query_runs_on_the_database_that_it_names(databases: Path, named: str, query: str) -> None:
    """Read-only, as the pages say; a backup goes beside the database here."""
    path = databases / Path(named).name
    query = re.sub(r"INTO '[^']+'", f"INTO '{path}.copy'", query)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        database.execute(query).fetchall()
    assert Path(f"{path}.copy").exists() == ("INTO" in query)


def test_the_pages_have_queries() -> None:
    """The search for them finds those for the backup and for a lost key."""
    assert any("VACUUM INTO" in query for _, query in QUERIES)
    assert any("AS email" in query for _, query in QUERIES)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_on_a_page_exists(name: str) -> None:
    """In running text and in examples, options included."""
    known = dict(_commands())
    for words in _called(PAGES[name]):
        command = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        assert command in known, words
        assert {word for word in words if word.startswith("--")} <= known[command] | {"--config"}


def _called(page: str) -> Iterator[list[str]]:
    """The words behind the program's name in every piece of code."""
    pieces = [*re.findall(r"`([^`\n]+)`", page), *re.findall(r"^    (.+)$", page, re.MULTILINE)]
    for piece in pieces:
        if match := re.match(r"(?:\S+/)?consentmilter ((?:--config \S+ )?[a-z].*)", piece):
            words = match[1].split()
            yield words[2:] if words[0] == "--config" else words


def _commands(command: Any = None, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Every command and its options; `consentmilter config` is one that has others below it."""
    command = command or typer.main.get_command(app)
    yield name.strip(), {option for parameter in command.params for option in parameter.opts}
    for below, part in getattr(command, "commands", {}).items():
        yield from _commands(part, f"{name} {below}")
