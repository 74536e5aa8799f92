"""docs/commands.md against the program: every command, option, JSON key and exit code, both ways, and the examples."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from consentmilter import cli
from consentmilter.cli import commands
from consentmilter.cli.output import READER_LEFT
from consentmilter.model import Reason
from consentmilter.service import setup
from consentmilter.store.migrate import migrate
from tests.cli.installation import Installation
from tests.cli.transcripts import FILES, PAGE, Step, replayed, rewritten, steps
from tests.docs.pages import code, codes, tables

TEXT = PAGE.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
ELSEWHERE = {"config show", "consent request", "review", "doctor", "report", "stats", "prune"}
ELSEWHERE |= {f"subject {right}" for right in ("export", "rectify", "erase", "restrict", "object", "hold", "release")}
ELSEWHERE |= {f"ledger {command}" for command in ("verify", "checkpoint", "show", "rebuild")}
ELSEWHERE |= {f"store {command}" for command in ("migrate", "status", "copy", "backup")}
"""What prints the configuration, and what needs mail: tests/cli holds the keys of these to the page."""

APP: Any = typer.main.get_command(commands.app)


def program() -> Iterator[tuple[str, Any]]:
    """Every command of the program by its words."""
    for name, command in APP.commands.items():
        below = getattr(command, "commands", None)
        yield from ((f"{name} {sub}", each) for sub, each in below.items()) if below else ((name, command),)


PROGRAM = dict(program())


def rows(section: str, *heading: str) -> list[list[str]]:
    """The rows of a command's table with these column headings; none if it has no such table."""
    return [row for table in tables(SECTIONS[section]) if table[0] == list(heading) for row in table[1:]]


def prose(section: str) -> str:
    """A section without its examples."""
    return re.sub(r"^```.*?^```$", "", SECTIONS[section], flags=re.MULTILINE | re.DOTALL)


def documented(section: str, kind: str) -> dict[str, str]:
    """The arguments or options of a command on the page, with what is said of them."""
    return {code(name): meaning for name, meaning in rows(section, kind, "meaning")}


def test_every_command_is_on_the_page_and_no_other() -> None:
    """In the order of the help."""
    assert list(SECTIONS) == list(PROGRAM)
    assert len(SECTIONS) == len(re.findall(r"^## `", TEXT, re.MULTILINE))


@pytest.mark.parametrize("name", PROGRAM)
def test_every_option_of_a_command_is_documented_and_no_other(name: str) -> None:
    """With the words of its help; --help is told of once for all."""
    options = {each for each in PROGRAM[name].params if each.param_type_name == "option" and each.name != "help"}
    said = documented(name, "option")
    assert {option.split()[0]: meaning for option, meaning in said.items()} == {
        each.opts[0]: each.help for each in options
    }
    takes = {each.opts[0]: not each.is_flag for each in options}
    assert {option.split()[0]: " " in option for option in said} == takes


@pytest.mark.parametrize("name", PROGRAM)
def test_every_argument_of_a_command_is_documented_and_no_other(name: str) -> None:
    """With the words of its help."""
    arguments = {each.metavar: each.help for each in PROGRAM[name].params if each.param_type_name == "argument"}
    assert documented(name, "argument") == arguments


def test_the_common_options_are_documented_and_no_others() -> None:
    """Those that stand before the command."""
    text = TEXT[: TEXT.index("## `init`")]
    [table] = [table for table in tables(text) if table[0] == ["option", "meaning"]]
    said = {code(option): meaning for option, meaning in table[1:]}
    assert said.pop("--help")
    assert {option.split()[0]: meaning for option, meaning in said.items()} == {
        each.opts[0]: each.help for each in APP.params if each.name != "help"
    }


def test_every_exit_code_is_documented_and_no_other() -> None:
    """Those that the program has names for, and yes and no."""
    [table] = [table for table in tables(TEXT) if table[0] == ["exit code", "meaning"]]
    named = [cli.WRONG_USAGE, cli.UNREACHABLE, cli.OUR_FAULT, cli.INTERRUPTED, READER_LEFT]
    assert [int(code(row[0])) for row in table[1:]] == [0, 1, *named]


def test_the_choices_and_defaults_of_import_and_add_are_documented() -> None:
    """The page names each reason and format, and what holds without an option."""
    words = codes(prose("import"))
    assert {*Reason, "auto", "csv", "jsonl", "txt"} <= set(words)
    defaults = {
        (name, each.opts[0]): str(getattr(each.default, "value", each.default))
        for name in ("import", "add")
        for each in PROGRAM[name].params
        if each.opts[0] in ("--scope", "--reason", "--format")
    }
    for (name, option), default in defaults.items():
        [sentence] = [line for line in SECTIONS[name].splitlines() if line.startswith("The default of")]
        assert re.search(rf"(of|that of) `{option}` is `{re.escape(default)}`", sentence), (name, option)


@pytest.fixture(scope="module")
def now(tmp_path_factory: pytest.TempPathFactory) -> list[Step]:
    """Every example of the page as it turns out now."""
    return replayed(TEXT, tmp_path_factory.mktemp("replayed"))


@pytest.mark.parametrize("number", range(len(steps(TEXT))), ids=lambda number: steps(TEXT)[number].command[:40])
def test_the_examples_do_what_the_page_shows(now: list[Step], number: int) -> None:
    """Output and exit code; `python -m tests.cli.transcripts` writes those of now."""
    shown = steps(TEXT)[number]
    assert (shown.code, shown.lasting) == (now[number].code, now[number].lasting)


def test_every_command_has_an_example() -> None:
    """Each in its own section."""
    assert [name for name in PROGRAM if f"$ consentmilter {name}" not in SECTIONS[name]] == []


def test_an_example_that_shows_something_else_would_be_noticed(now: list[Step]) -> None:
    """The comparison can fail, and the page can be written anew from what comes out."""
    assert rewritten(TEXT, steps(TEXT)) == TEXT
    page = rewritten(TEXT, [Step(each.command, each.code + 1, f"other\n{each.output}") for each in now])
    assert all(
        (one.code, one.lasting) != (other.code, other.lasting) for one, other in zip(steps(page), now, strict=True)
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A site on whose list stands somebody, by import and by hand."""
    site = Installation(tmp_path_factory.mktemp("site"))
    site.run("init")
    site.run("import", site.file("opted-out.csv", FILES["opted-out.csv"]), code=1)
    site.run("add", "reader@example.net")
    return site


def test_the_keys_of_json_are_documented_and_no_others(site: Installation) -> None:
    """Of every command that prints an object or a list of them."""
    letter = site.file("letter.eml", FILES["letter.eml"])
    envelope = ["--from", "n@acme.example", "--to", "friend@example.net", "--login", "newsletter"]
    consenting = ["a@example.net", "--stream", "acme.newsletter"]
    printed: dict[str, Any] = {
        "init": site.run("init", "--json").json,
        "import": site.run("import", "-", "--json", given=b"").json[0],
        "undo": site.run("undo", "--json").json[0],
        "export": site.run("export", "-o", site.directory / "list.csv", "--json").json,
        "add": site.run("add", "a@example.net", "--json").json,
        "remove": site.run("remove", "a@example.net", "--evidence", "x", "--json").json[0],
        "check": site.run("check", "a@example.net", "--json").json,
        "explain": site.run("explain", "reader@example.net", "--json").json,
        "consent grant": site.run("consent", "grant", *consenting, "--evidence", "x", "--json").json,
        "consent withdraw": site.run("consent", "withdraw", *consenting, "--json").json,
        "consent import": site.run("consent", "import", "-", *consenting[1:], "--json", given=b"email\n").json[0],
        "consent show": site.run("consent", "show", consenting[0], "--json").json[0],
        "trace": site.run("trace", letter, *envelope, "--json").json,
        "config check": site.run("config", "check", "--json").json,
    }
    assert set(printed) == {name for name, each in PROGRAM.items() if "--json" in options_of(each)} - ELSEWHERE
    for name, data in printed.items():
        assert keys(name, f"key of `{name} --json`") == list(data), name
    explained = printed["explain"]
    parts = {
        ("check", "a stream"): printed["check"]["streams"][0],
        ("explain", "a suppression"): explained["suppressions"][0],
        ("explain", "an import"): explained["imports"][0],
        ("explain", "a ledger entry"): explained["ledger"][0],
        ("trace", "`at_end`"): printed["trace"]["at_end"],
        ("trace", "a recipient"): printed["trace"]["recipients"][0],
    }
    for (name, what), data in parts.items():
        assert keys(name, f"key of {what}") == list(data), what
    assert explained["streams"][0].keys() == printed["check"]["streams"][0].keys()


def test_the_states_of_init_are_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that there are, the one of an upgrade too."""
    assert set(setup.State) <= set(codes(prose("init")))
    site = Installation(tmp_path)
    site.run("init")
    monkeypatch.setattr(setup, "migrate", lambda url, tree: (migrate(url, tree), "0000")[1])
    assert site.run("init", "--json").json["store"]["state"] == "upgraded"


def keys(section: str, heading: str) -> list[str]:
    return [name for row in rows(section, heading, "meaning") for name in codes(row[0])]


def options_of(command: Any) -> set[str]:
    return {option for each in command.params for option in each.opts}
