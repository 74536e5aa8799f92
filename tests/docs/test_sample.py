"""conf/: the sample configuration shows every key with its default, and the sample lists load."""

import re
from io import StringIO
from pathlib import Path

import pytest

from consentmilter.config import Config, parse
from consentmilter.config.source import KeyPath, Source
from consentmilter.importers import Entry, read_rows, recognise
from consentmilter.keys import KeyRing
from consentmilter.subjects import subject_named
from tests.docs.config_keys import keys
from tests.docs.pages import ROOT

CONF = ROOT / "conf"
SAMPLE = (CONF / "consentmilter.yaml").read_text(encoding="utf-8")
KEYS = keys()

RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})


def test_the_sample_is_the_default_configuration() -> None:
    """As it stands it loads and changes nothing."""
    assert parse(SAMPLE, "consentmilter.yaml") == Config()


def test_the_sample_with_every_example_switched_on_loads() -> None:
    """Whoever removes a # gets what works."""
    switched_on = parse(_switched_on(), "consentmilter.yaml")
    assert switched_on.streams["acme.newsletter"].list_id == "newsletter.acme.example"
    assert switched_on.classify[0].allow is not None


def test_the_sample_shows_every_key_and_no_other() -> None:
    """Those that are not set by default are there too, commented out."""
    assert set(_shown()) == set(KEYS)


@pytest.mark.parametrize("path", sorted(KEYS))
def test_above_each_key_stands_what_it_means(path: str) -> None:
    """One comment line each, and it is the description in the schema."""
    above = _switched_on().splitlines()[_shown()[path] - 2]
    assert above.strip().removeprefix("# ") == KEYS[path].description


def test_a_key_is_set_in_the_sample_exactly_if_it_has_a_default() -> None:
    """What is commented out is not set by default, so that its value there is an example."""
    live = {_pattern(path) for path in Source.read(SAMPLE).lines} & set(KEYS)
    with_default = {
        path
        for path, key in KEYS.items()
        if not re.search(r"\*|\[\]", path) and not key.holds_keys and key.field.default is not None
    }
    loop = {"loop.first"}  # needs the other key of its pair, which has no default
    assert {path for path in live if not KEYS[path].holds_keys} == with_default - loop


@pytest.mark.parametrize("name", ["sample-suppressions.csv", "sample-suppressions.txt"])
def test_every_row_of_the_sample_lists_can_be_imported(name: str) -> None:
    """A dozen people at least, a domain, and nobody twice; all of them at domains that are reserved for examples."""
    subjects = [subject_named(row.address, RING, {}) for row in _rows(CONF / name)]
    texts = [subject.text for subject in subjects]
    assert len({subject.key for subject in subjects}) == len(subjects) >= 12
    assert "reader@example.net" in texts
    assert any("@" not in text for text in texts)
    assert all(re.search(r"\bexample(\.(com|net|org))?$", text) for text in texts)


def test_every_row_of_the_csv_sample_has_a_reason_and_a_date() -> None:
    """The sample shows all columns at work."""
    rows = _rows(CONF / "sample-suppressions.csv")
    assert all(row.reason and row.at for row in rows)
    assert len({row.reason for row in rows}) == 7


def _rows(path: Path) -> list[Entry]:
    text = path.read_text(encoding="utf-8")
    plan = recognise(text, file_name=path.name)
    assert plan.format == path.suffix.removeprefix(".")
    rows = list(read_rows(StringIO(text).read, plan))
    assert all(isinstance(row, Entry) for row in rows), rows
    return [row for row in rows if isinstance(row, Entry)]


def _switched_on() -> str:
    """The sample with its examples as keys: a comment has one blank behind its #, an example none or several."""
    return re.sub(r"^#(?! \S)", "", SAMPLE, flags=re.MULTILINE)


def _shown() -> dict[str, int]:
    """Each key that the sample shows, and its line; names that the site chooses are `*`."""
    lines = Source.read(_switched_on()).lines
    return {pattern: line for path, line in lines.items() if (pattern := _pattern(path)) in KEYS}


def _pattern(path: KeyPath) -> str:
    shown = ""
    for number, part in enumerate(path):
        named = number == 1 and path[0] in ("addresses", "categories", "organisations", "streams")
        chosen = named or (number == 2 and path[:2] == ("api", "tokens"))
        shown += "[]" if isinstance(part, int) else f".{'*' if chosen else part}" if shown else part
    return shown
