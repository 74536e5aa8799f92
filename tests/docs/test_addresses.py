"""docs/addresses.md against the canonical form and the foldings."""

import pytest

from consentmilter.addresses import canonical
from consentmilter.config import parse
from consentmilter.config.compile import compile_site
from consentmilter.keys import KeyRing, subject_of_address, subjects_for
from consentmilter.subjects import subject_named
from tests.docs.pages import code, page, table, yaml_examples

PAGE = page("addresses.md")
RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})


@pytest.mark.parametrize(("written", "compared", "_why"), table(PAGE, "written", "compared as", "why"))
def test_an_address_is_compared_as_the_page_says(written: str, compared: str, _why: str) -> None:
    """Each row of the table."""
    assert str(canonical(code(written))) == code(compared)


def test_the_look_alikes_of_the_page_are_different_people() -> None:
    """Sharp s is not ss, and a Cyrillic letter is not the Latin one."""
    assert canonical("strauß@example.net") != canonical("strauss@example.net")
    assert canonical("а@example.net") != canonical("a@example.net")  # noqa: RUF001 - the first one is Cyrillic


def test_the_example_folds_what_the_page_says_it_does() -> None:
    """One person at gmail.com, three elsewhere; and only the delimiters that are named."""
    [example] = yaml_examples(PAGE)
    foldings = compile_site(parse(example, "example")).foldings
    forms = ("reader", "reader+news", "re.ader")
    for domain, people in (("gmail.com", 1), ("googlemail.com", 1), ("example.com", 2), ("example.org", 3)):
        assert len({subject_of_address(canonical(f"{form}@{domain}"), RING, foldings) for form in forms}) == people


def test_what_went_in_before_a_folding_was_switched_on_is_still_found() -> None:
    """And what went in while it held stands for the folded address afterwards."""
    foldings = compile_site(parse('addresses: {example.com: {sub_address: "+"}}', "example")).foldings
    tagged = canonical("reader+news@example.com")
    assert subject_of_address(tagged, RING, {}) in subjects_for(tagged, RING, foldings)
    during = subject_named("reader+news@example.com", RING, foldings).key
    assert during == subject_of_address(canonical("reader@example.com"), RING, {})


@pytest.mark.parametrize(
    ("entry", "covered", "not_covered"),
    [
        ("example.com", "reader@example.com", "reader@mail.example.com"),
        (".example.com", "reader@a.b.example.com", "reader@example.com"),
    ],
)
def test_a_domain_entry_covers_what_the_page_says(entry: str, covered: str, not_covered: str) -> None:
    """With the dot it means the domains below, without it the domain itself; for both, enter both."""
    assert entry in {code(row[0]) for row in table(PAGE, "entry", "covers")}
    key = subject_named(entry, RING, {}).key
    assert key in subjects_for(canonical(covered), RING, {})
    assert key not in subjects_for(canonical(not_covered), RING, {})
