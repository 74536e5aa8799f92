"""The digests under which a partner's hash list may hold an address."""

import hashlib

import pytest

from consentmilter.addresses import canonical
from consentmilter.hashes import NAMES, digests
from consentmilter.keys import subjects_for
from consentmilter.service.candidate import Candidate
from tests.unit.making import RING


def of(text: str) -> set[bytes]:
    """The three digests of a text as it stands."""
    octets = text.encode("utf-8", "surrogateescape")
    return {hashlib.new(name, octets).digest() for name in ("md5", "sha1", "sha256")}


def test_a_plain_address_has_three_digests() -> None:
    """One an algorithm, told apart by their length; these are published values of a well-known example."""
    found = digests("test@example.com")
    assert [digest.hex() for digest in found] == [
        "55502f40dc8b7c769880b10874abc9d0",
        "567159d622ffbb50b11b0efd307be358624a26ee",
        "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b",
    ]
    assert [NAMES[len(digest)] for digest in found] == ["MD5", "SHA-1", "SHA-256"]


@pytest.mark.parametrize("written", ["Bob@Example.COM", " Bob@Example.COM\t"])
def test_an_address_is_looked_for_in_small_letters_and_as_it_was_written(written: str) -> None:
    """Trimmed in both cases."""
    assert set(digests(written)) == of("bob@example.com") | of("Bob@Example.COM")


def test_each_spelling_counts_once() -> None:
    """However many there are of one address."""
    assert digests("bob@x.example", "bob@x.example", " bob@x.example") == digests("bob@x.example")
    assert set(digests("a@x.example", "B@x.example")) == of("a@x.example") | of("b@x.example") | of("B@x.example")


def test_octets_that_are_no_text_can_be_hashed() -> None:
    """They do arrive at RCPT; the digest is of the octets."""
    assert set(digests("\udcff@x.example")) == of("\udcff@x.example")
    assert hashlib.md5(b"\xff@x.example").digest() in digests("\udcff@x.example")


def test_a_recipient_is_looked_for_on_hash_lists_however_it_is_written() -> None:
    """Behind the keys of the person and of the domains; both of what was typed and of what it means count."""
    candidate = Candidate.of('<"Bob"@Example.COM>', "Bob@Example.COM", RING, {})
    own = subjects_for(canonical("bob@example.com"), RING, {})
    assert candidate.keys == own
    assert set(candidate.digests()) >= of("bob@example.com") | of('"Bob"@Example.COM')
    assert candidate.keys == own + candidate.digests()


def test_one_person_in_two_spellings_is_one_person() -> None:
    """Though hash lists may hold them under other digests."""
    one, same, other = (
        Candidate.of(f"<{text}>", None, RING, {}) for text in ("a@x.example", "A@x.example", "b@x.example")
    )
    assert one.person == same.person != other.person
    assert one.digests() != same.digests()
