"""The canonical form of an address."""

import unicodedata
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.addresses import (
    MAX_PARENTS,
    Address,
    Folding,
    canonical,
    canonical_domain,
    fold,
    mailable,
    parents,
    suppressible_domain,
)
from consentmilter.errors import AddressError
from consentmilter.keys import subject_of_address, subjects_for
from tests.unit.growth import grows_linearly
from tests.unit.making import ANY_TEXT, FROM_THE_MTA, RING, examples

LETTERS = "abzäöüéåñçжяλ"
ATOMS = st.text(LETTERS + "019_-+", min_size=1, max_size=8)
LOCALS = st.lists(ATOMS, min_size=1, max_size=3).map(".".join)
DOMAINS = st.lists(st.text(LETTERS + "019", min_size=1, max_size=8), min_size=1, max_size=3).map(".".join)
ADDRESSES = st.builds("{}@{}".format, LOCALS, DOMAINS)


@examples(500)
@given(ANY_TEXT | FROM_THE_MTA)
def test_the_canonical_form_of_a_canonical_form_is_itself(raw: str) -> None:
    """What was canonical once stays as it is, so stored addresses never drift."""
    try:
        address = canonical(raw)
    except AddressError:
        return
    assert canonical(str(address)) == address


@examples(500)
@given(ANY_TEXT | FROM_THE_MTA)
def test_any_text_has_a_canonical_form_and_keys_or_is_refused_as_an_address(raw: str) -> None:
    """Lone surrogates and the like raise AddressError or nothing, up to the subject keys."""
    try:
        address = canonical(raw)
    except AddressError:
        return
    assert len(subjects_for(address, RING, {})) >= 1


@examples(166)
@given(FROM_THE_MTA.filter(lambda text: not any(c < " " or c == "\x7f" for c in text)))
def test_octets_that_are_not_utf8_are_kept_in_a_local_part(octets: str) -> None:
    """Two different addresses of odd octets stay two."""
    other = octets + "\udcff"
    assert canonical(f'"a{octets}"@example.com') != canonical(f'"a{other}"@example.com')


@examples(166)
@given(ANY_TEXT)
def test_mailable_accepts_only_what_is_canonical_and_can_be_encoded(raw: str) -> None:
    """Whatever imports let in can be stored as UTF-8 and meets itself again."""
    try:
        address = mailable(raw)
    except AddressError:
        return
    assert address == canonical(raw) == mailable(str(address))
    assert len(str(address).encode()) <= 254


@examples(100)
@given(ADDRESSES)
def test_letter_case_does_not_matter(address: str) -> None:
    """An opt-out by PERSON@EXAMPLE.COM holds for person@example.com."""
    assert canonical(address.upper()) == canonical(address.lower()) == canonical(address.title())


@examples(100)
@given(ADDRESSES)
def test_composed_and_decomposed_letters_meet(address: str) -> None:
    """An a with a diaeresis is one letter, whether it came as one character or as two."""
    assert canonical(unicodedata.normalize("NFD", address)) == canonical(unicodedata.normalize("NFC", address))


@examples(100)
@given(LOCALS, DOMAINS)
def test_quotes_brackets_routes_and_a_trailing_dot_do_not_matter(local: str, domain: str) -> None:
    """All these ways to write one mailbox (RFC 5321 4.1.2) have one canonical form."""
    plain = canonical(f"{local}@{domain}")
    for written in (
        f"<{local}@{domain}>",
        f" <{local}@{domain}> ",
        f"<<{local}@{domain}>>",
        f'"{local}"@{domain}',
        f"{local}@{domain}.",
        f"<{local}@{domain}.>",
        f"<@hop.example,@other.example:{local}@{domain}>",
        f"@hop.example:<{local}@{domain}>",
        f"<@a:@b: {local}@{domain}>",
        f"{local} @ {domain}",
    ):
        assert canonical(written) == plain, written


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Person@Example.COM", "person@example.com"),
        ("person@münchen.example", "person@xn--mnchen-3ya.example"),
        ("person@MÜNCHEN.example", "person@xn--mnchen-3ya.example"),
        ("person@XN--MNCHEN-3YA.example", "person@xn--mnchen-3ya.example"),
        ("person@mu\u0308nchen.example", "person@xn--mnchen-3ya.example"),
        ("person@münchen。example", "person@xn--mnchen-3ya.example"),
        ("person@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com", "person@example.com"),
        ("person@foo_bar.example", "person@foo_bar.example"),
        ("person@foo_bar.münchen.example", "person@foo_bar.xn--mnchen-3ya.example"),
        ("person@r3---sn.example", "person@r3---sn.example"),
        ("person@r3---sn.bücher.example", "person@r3---sn.xn--bcher-kva.example"),
        ("person@i❤.example", "person@xn--i-7iq.example"),
        ("person@[192.0.2.1]", "person@[192.0.2.1]"),
        ("person@[IPv6:2001:DB8::1]", "person@[ipv6:2001:db8::1]"),
        ("Postmaster", "postmaster"),
        ("<postmaster>", "postmaster"),
        ('"per\\son"@example.com', "person@example.com"),
        ('"john doe"@example.com', '"john doe"@example.com'),
        ("john doe@example.com", '"john doe"@example.com'),
        ('"a..b"@example.com', '"a..b"@example.com'),
        ("a..b@example.com", '"a..b"@example.com'),
        ('"a\\"b"@example.com', '"a\\"b"@example.com'),
        ('"a\\\\b"@example.com', '"a\\\\b"@example.com'),
        ('"a@b"@example.com', '"a@b"@example.com'),
        ('""@example.com', '""@example.com'),
        ('"\u3000"@example.com', '"\u3000"@example.com'),
        ("o'brien@example.com", "o'brien@example.com"),
        ("person+tag@example.com", "person+tag@example.com"),
        ("\udcff@example.com", "\udcff@example.com"),
        ("person@\udcff.example", "person@\udcff.example"),
    ],
)
def test_each_way_of_writing_has_its_canonical_form(written: str, form: str) -> None:
    """The table that says what the canonical form is."""
    assert str(canonical(written)) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("strauß@example.com", "strauss@example.com"),
        ("a@straße.example", "a@strasse.example"),
        ("person+tag@example.com", "person@example.com"),
        ("first.last@example.com", "firstlast@example.com"),
        ("person@example.com", "person@mail.example.com"),
        ("person", "person@example.com"),
        ("a@b\uff20example.com", "a@b@example.com"),
        ("\u0131@example.com", "i@example.com"),
    ],
)
def test_two_people_stay_two(one: str, other: str) -> None:
    """An opt-out never spreads to a different mailbox."""
    assert canonical(one) != canonical(other)


LOOK_ALIKES = dict(zip("aeopcxyisjhkB10", "аеорсхуіѕјһкВ\u01c0\u041e", strict=True))
"""Latin letters and digits, and Cyrillic or other ones that look the same."""


@pytest.mark.parametrize(("latin", "look_alike"), LOOK_ALIKES.items())
def test_look_alikes_never_merge(latin: str, look_alike: str) -> None:
    """Neither in the local part nor in the domain does a Cyrillic letter pass for a Latin one."""
    assert canonical(f"x{latin}@example.com") != canonical(f"x{look_alike}@example.com")
    assert canonical(f"x@{latin}.example") != canonical(f"x@{look_alike}.example")
    keys = {subject_of_address(canonical(f"x{each}@example.com"), RING, {}) for each in (latin, look_alike)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("", "the address is empty"),
        ("  ", "the address is empty"),
        ("<>", "the address is empty"),
        ("<@hop.example:>", "the address is empty"),
        ("a\x00b@example.com", "the address holds a control character or a lone surrogate"),
        ("a@exam\rple.com", "the address holds a control character or a lone surrogate"),
        ('a"\x85@example.com\x00', "the address holds a control character or a lone surrogate"),
        ("a\x7f@example.com", "the address holds a control character or a lone surrogate"),
        ("\ud800@example.com", "the address holds a control character or a lone surrogate"),
        ("@example.com", "the address lacks the part before or after the @"),
        ("person@", "the address lacks the part before or after the @"),
        ("person@.", "the address lacks the part before or after the @"),
        ("person@ >", "the address lacks the part before or after the @"),
    ],
)
def test_what_is_no_address_is_refused(raw: str, message: str) -> None:
    """The refusal says what is wrong."""
    with pytest.raises(AddressError) as caught:
        canonical(raw)
    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("postmaster", "'postmaster' has no domain"),
        ("person@exam ple.com", "'exam ple.com' is not a domain"),
        ("person@-example.com", "'-example.com' is not a domain"),
        ("person@example..com", "'example..com' is not a domain"),
        ("person@exa$mple.com", "'exa$mple.com' is not a domain"),
        (f"person@{'a' * 64}.example", f"'{'a' * 64}.example' is not a domain"),
        (f"person@{'a.' * 127}com", f"'{'a.' * 127}com' is not a domain"),
        ("person@\ufdd0.example", "'\\ufdd0.example' is not a domain"),
        ("person@[]", "'[]' is not a domain"),
        ("person@[nonsense]", "'[nonsense]' is not a domain"),
        ("person@[192.0.2.1.5]", "'[192.0.2.1.5]' is not a domain"),
        ("person@[2001:db8::1]", "'[2001:db8::1]' is not a domain"),
        ("person@[IPv6:2001:db8::g]", "'[ipv6:2001:db8::g]' is not a domain"),
        ("person@[IPv6:fe80::1%eth0]", "'[ipv6:fe80::1%eth0]' is not a domain"),
        ("person@[ü]", "'[ü]' is not a domain"),
        ("john doe@example.com", "'john doe' is not the local part of an address (quotes missing?)"),
        ("John Doe <john@example.com>", "'John Doe <john' is not the local part of an address (quotes missing?)"),
        ("a\xa0b@example.com", "'a\\xa0b' is not the local part of an address (quotes missing?)"),
        ("a,b@example.com", "'a,b' is not the local part of an address (quotes missing?)"),
        ("person(x)@example.com", "'person(x)' is not the local part of an address (quotes missing?)"),
        ("mailto:a@example.com", "'mailto:a' is not the local part of an address (quotes missing?)"),
        ("a@b@example.com", "'a@b' is not the local part of an address (quotes missing?)"),
        ("\udcff@example.com", "the address is not UTF-8"),
        ("\ufeffa@example.com", "'\\ufeffa' holds the invisible character U+FEFF"),
        ("a\u200b@example.com", "'a\\u200b' holds the invisible character U+200B"),
        ('"a\u3000b"@example.com', "'\"a\\u3000b\"' holds the invisible character U+3000"),
        (f"{'a' * 243}@example.com", "the address is longer than 254 octets"),
        (f"{'ä' * 122}@example.com", "the address is longer than 254 octets"),
    ],
)
def test_imports_and_commands_refuse_what_mail_cannot_be_sent_to(raw: str, message: str) -> None:
    """The refusal names the part at fault, as it was given."""
    with pytest.raises(AddressError) as caught:
        mailable(raw)
    assert message == str(caught.value)


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("Person@Example.COM.", "person@example.com"),
        ('"john doe"@example.com', '"john doe"@example.com'),
        ("a..b@example.com", '"a..b"@example.com'),
        (".a.@example.com", '".a."@example.com'),
        ("می\u200cروم@example.com", "می\u200cروم@example.com"),
        ("person@foo_bar.example", "person@foo_bar.example"),
        ("person@bücher.example", "person@xn--bcher-kva.example"),
        ("person@i❤.example", "person@xn--i-7iq.example"),
        ("person@[192.0.2.1]", "person@[192.0.2.1]"),
        ("person@[IPv6:::1]", "person@[ipv6:::1]"),
        ("person@localhost", "person@localhost"),
        (f"{'a' * 242}@example.com", f"{'a' * 242}@example.com"),
    ],
)
def test_imports_and_commands_take_every_address_in_use(raw: str, form: str) -> None:
    """Among them those that only Postfix and some providers take for addresses."""
    assert str(mailable(raw)) == form


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        (".example.com", ".example.com"),
        (" .Bücher.Example ", ".xn--bcher-kva.example"),
        ("foo_bar.example", "foo_bar.example"),
        ("com", "com"),
        (".a.b.c.d.e.f.g.h", ".a.b.c.d.e.f.g.h"),
        ("a.b.c.d.e.f.g.h.i.j", "a.b.c.d.e.f.g.h.i.j"),
    ],
)
def test_a_domain_or_all_below_it_can_be_suppressed(raw: str, form: str) -> None:
    """A leading dot means the domains below."""
    assert suppressible_domain(raw) == form


@pytest.mark.parametrize("raw", ["", ".", "..", "..com", "a@b.example", "exa mple", "*", "[192.0.2.1]", "a\x00b", "-a"])
def test_what_is_no_domain_cannot_be_suppressed(raw: str) -> None:
    """The refusal shows both forms that would do."""
    with pytest.raises(AddressError) as caught:
        suppressible_domain(raw)
    assert str(caught.value) == (f"{raw!r} is not a domain (write example.com, or .example.com for all below it)")


def test_domains_too_deep_to_be_looked_up_cannot_be_suppressed() -> None:
    """An entry that no look-up would ever meet is refused rather than stored."""
    with pytest.raises(AddressError) as caught:
        suppressible_domain(".a.b.c.d.e.f.g.h.i")
    assert str(caught.value) == "'.a.b.c.d.e.f.g.h.i' has more than 8 labels; suppress a parent of it"


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("", []),
        ("com", []),
        ("example.com", [".com"]),
        ("a.b.example.com", [".b.example.com", ".example.com", ".com"]),
        ("[192.0.2.1]", []),
    ],
)
def test_the_parents_of_a_domain_cover_it(domain: str, expected: list[str]) -> None:
    """From the nearest to the top-level domain; an address literal has none."""
    assert parents(domain) == expected


@examples(66)
@given(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8), st.lists(st.sampled_from("xyz"), max_size=20))
def test_every_entry_that_can_be_made_is_met_by_all_domains_below_it(entry: list[str], below: list[str]) -> None:
    """However deep a host lies, an entry for a domain above it is among the at most 8 parents looked up."""
    suppressed = suppressible_domain("." + ".".join(entry))
    found = parents(".".join([*below, "host", *entry]))
    assert suppressed in found
    assert len(found) <= MAX_PARENTS


FOLDINGS = {"gmail.com": Folding("+", ignore_dots=True), "example.com": Folding("+-"), "*": Folding("=")}


@pytest.mark.parametrize(
    ("address", "folded"),
    [
        ("first.last+tag@gmail.com", "firstlast@gmail.com"),
        ("a+b-c@example.com", "a@example.com"),
        ("a-b+c@example.com", "a@example.com"),
        ("first.last@example.com", "first.last@example.com"),
        ("+tag@example.com", "+tag@example.com"),
        ("a=b@elsewhere.example", "a@elsewhere.example"),
        ("a+b@elsewhere.example", "a+b@elsewhere.example"),
        ('"a b+c"@example.com', '"a b+c"@example.com'),
    ],
)
def test_what_a_provider_ignores_is_left_out(address: str, folded: str) -> None:
    """Per domain, with * for all others; never the whole local part, and nothing inside quotes."""
    assert str(fold(canonical(address), FOLDINGS)) == folded


def test_nothing_is_left_out_unless_the_site_says_so() -> None:
    """Without a folding, a sub-address is a person of its own."""
    address = canonical("first.last+tag@gmail.com")
    assert fold(address, {}) is address


@examples(100)
@given(LOCALS, st.sampled_from(["gmail.com", "example.com", "elsewhere.example"]))
def test_folding_twice_is_folding_once(local: str, domain: str) -> None:
    """A folded address that was stored is met again."""
    once = fold(Address(local, domain), FOLDINGS)
    assert fold(once, FOLDINGS) == once


@pytest.mark.parametrize(
    "shape",
    [
        "<{0}a@b{1}",
        "{2}a@b",
        '"{3}"@b',
        "{4}a@b",
        "a@{5}b",
        "{6}",
        "a@b{7}",
        "a@{8}",
        "{9}@b",
        "{4}(@b",
        "{8}(@b",
    ],
)
def test_the_time_to_read_an_address_grows_with_its_length_only(shape: str) -> None:
    """No shape of input makes the canonical form slow: brackets, routes, escapes, dots, labels, and so on."""

    def make(size: int) -> str:
        parts = ("<" * size, ">" * size, "@a:" * size, "\\a" * size, "a." * size)
        return shape.format(*parts, "ä." * size, "@" * size, ". >" * size, "ä" * size, '"' * size)

    def read(text: str) -> None:
        canonical_domain.cache_clear()
        for reader in (canonical, mailable):
            with suppress(AddressError):
                reader(text)

    assert grows_linearly(read, make, 20_000)
