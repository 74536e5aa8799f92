"""What holds for every page: examples that load, links that lead somewhere, and no place that only one machine has."""

import re
from pathlib import Path

import pytest

from consentmilter.config import parse
from consentmilter.errors import ConfigError
from tests.docs.config_keys import keys
from tests.docs.pages import ROOT, all_pages, yaml_examples

PAGES = all_pages()
SITES = sorted((ROOT / "deploy" / "postfix").glob("*/consentmilter.yaml"))
DEPLOYED = [path for part in ("conf", "deploy") for path in (ROOT / part).rglob("*") if path.is_file()]

STANDARD = {"bin", "dev", "etc", "opt", "proc", "run", "srv", "usr", "var", "u"}
"""Where files of an installation lie (hier(7)), and the /u/ of unsubscribe links; home directories are not named."""


@pytest.mark.parametrize("name", PAGES)
def test_every_yaml_example_is_a_configuration_that_loads(name: str) -> None:
    """As a whole file of its own, so that it can be pasted."""
    for number, example in enumerate(yaml_examples(PAGES[name]), 1):
        parse(example, f"{name}, example {number}")


def test_an_example_with_an_unknown_key_would_be_noticed() -> None:
    """The loader that the test above relies on refuses what is not there."""
    with pytest.raises(ConfigError, match="unknown key"):
        parse("milter: {wrokers: 2}", "example")


@pytest.mark.parametrize("path", SITES, ids=lambda path: path.parent.name)
def test_the_configuration_of_every_site_loads(path: Path) -> None:
    """Each directory of Postfix fragments has the configuration that goes with it."""
    assert parse(path.read_text(encoding="utf-8"), str(path)).classify


@pytest.mark.parametrize("name", PAGES)
def test_every_link_to_a_file_leads_to_one(name: str) -> None:
    """Relative to the page, as a browser of the repository resolves them."""
    for target in re.findall(r"\]\((?!https?://)([^)#]+)[^)]*\)", PAGES[name]):
        assert (ROOT / name).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_every_path_of_the_repository_that_a_page_names_exists(name: str) -> None:
    """What stands in conf, deploy and docs is named by its path from the top."""
    for named in re.findall(r"(?<![\w/.])((?:conf|deploy|docs)/[\w./-]*\w)", PAGES[name]):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("name", [*PAGES, *(str(path.relative_to(ROOT)) for path in DEPLOYED)])
def test_no_page_or_file_names_a_place_that_only_one_machine_has(name: str) -> None:
    """Absolute paths are those of an installation."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert set(places(text)) <= STANDARD


def test_a_path_of_a_home_directory_would_be_noticed() -> None:
    """The search finds absolute paths, in every place where they stand in the pages."""
    text = "see /home/alice/x, `/etc/consentmilter`, unix:/root/y and (/tmp/z), but no https://example.com/u/TOKEN"
    assert set(places(text)) == {"home", "etc", "root", "tmp"}


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_have_one_sentence_a_line(name: str) -> None:
    """So that a change of one sentence is a change of one line."""
    descriptions = {key.description for key in keys().values()}
    prose = [line for line in _prose(PAGES[name]) if line not in descriptions]
    assert [line for line in prose if re.search(r"(?<!Art)[.!?] [A-Z]", line)] == []


def places(text: str) -> list[str]:
    """The first part of every absolute path."""
    return re.findall(r"(?<![\w./>*~-])/([a-z]+)/[\w*]", text)


def _prose(text: str) -> list[str]:
    """The lines of running text: no examples, tables, headings or lists, whose entries may hold several sentences."""
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for line in without_blocks.splitlines() if not re.match(r"    |[|#-]|  |\d+\.", line)]
