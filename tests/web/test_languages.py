"""The person's language, and catalogues that say everything there is to say."""

import re
import string
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from hypothesis import given, settings
from hypothesis import strategies as st

from consentmilter.config.roles import Language
from consentmilter.errors import ConfigError
from consentmilter.web import languages
from consentmilter.web.languages import SOURCE, choose, load

OFFERED = list(get_args(Language))
CATALOGUES = [code for code in OFFERED if code != SOURCE]
WEB = Path(str(resources.files("consentmilter.web")))
PLACES = [("templates/**.html", "jinja2"), ("words.py", "python")]


def said() -> set[str]:
    """Every text that templates and words mark for the catalogues."""
    found = {message for _, _, message, _, _ in extract_from_dir(WEB, PLACES) if isinstance(message, str)}
    assert len(found) > 40
    return found


def placeholders(text: str) -> list[str]:
    return sorted(re.findall(r"%\(\w+\)s|%", text))


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        (None, None, "en"),
        (None, "", "en"),
        (None, "de", "de"),
        (None, "de-AT", "de"),
        (None, "DE-at;q=0.5", "de"),
        (None, "fr;q=0.3, de;q=0.8, en;q=0.5", "de"),
        (None, "ja, nl;q=0.1", "nl"),
        (None, "ja", "en"),
        (None, "*", "en"),
        (None, "ja, *;q=0.5, ro;q=0.4", "en"),
        (None, "de;q=0, ro;q=0.2", "ro"),
        (None, "de;q=0", "en"),
        (None, "es , ro", "es"),
        (None, "ar-EG;q=1.000", "ar"),
        (None, "de;q=2, nl;q=0.1", "nl"),
        (None, "de;q=x, nl;q=0.1", "nl"),
        (None, "x" * 400 + ",de", "de"),
        (None, "x" * 600 + ",de", "en"),
        (None, ";;;,,,=", "en"),
        ("ro", "de", "ro"),
        ("xx", "de", "de"),
        ("", "de", "de"),
        ("../de", "", "en"),
    ],
)
def test_the_language_is_the_one_that_the_person_reads(asked: str | None, accepted: str | None, chosen: str) -> None:
    """Asked for by the menu, else the best of Accept-Language, else the site's first."""
    assert choose(asked, accepted, OFFERED) == chosen


def test_the_site_says_which_languages_there_are() -> None:
    """One that it does not offer is not chosen; its first is for everybody else."""
    assert choose("en", "en", ["nl", "de"]) == "nl"
    assert choose(None, "*", ["nl", "de"]) == "nl"


@settings(max_examples=100)
@given(st.text(string.printable) | st.text())
def test_no_header_is_too_odd(accepted: str) -> None:
    """There is always a language."""
    assert choose(accepted, accepted, OFFERED) in OFFERED


@pytest.mark.parametrize("code", CATALOGUES)
def test_a_catalogue_says_everything_and_nothing_else(code: str) -> None:
    """Each text once, none empty, none left over, with the same places for names."""
    with (WEB / "catalogues" / f"{code}.po").open("rb") as file:
        catalogue = read_po(file, locale=code, abort_invalid=True)
    words = {str(message.id): str(message.string) for message in catalogue if message.id and not message.fuzzy}
    assert words.keys() == said()
    assert [text for text in words if not words[text].strip()] == []
    assert [text for text in words if placeholders(text) != placeholders(words[text])] == []
    assert {load(code).words.gettext(text) for text in words} == set(words.values())


def test_there_are_no_other_catalogues() -> None:
    """Each is a language that the configuration knows."""
    assert sorted(path.stem for path in (WEB / "catalogues").iterdir()) == sorted(CATALOGUES)


@pytest.mark.parametrize(("code", "name", "direction"), [("en", "English", "ltr"), ("ar", "العربية", "rtl")])
def test_a_language_knows_its_name_and_direction(code: str, name: str, direction: str) -> None:
    """In its own words."""
    language = load(code)
    assert (language.name, language.direction) == (name, direction)


def test_a_language_without_a_catalogue_is_refused() -> None:
    """At start, not at the first page."""
    with pytest.raises(ConfigError, match=r"web\.languages: there are no pages in ja"):
        languages.load("ja")
