"""Subject keys and the key ring."""

import base64

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consentmilter.addresses import Address, Folding, canonical
from consentmilter.errors import KeyFileError
from consentmilter.keys import KeyRing, subject_of, subject_of_address, subjects_for
from tests.unit.making import OTHER_RING, RING, examples

NAMES = st.text("abc.", min_size=1, max_size=6)


def encoded(secret: bytes) -> str:
    return base64.b64encode(secret).decode("ascii")


def key_file(**changes: object) -> str:
    """The text of a sound key file, with these parts of it changed; `subject__id=None` takes subject.id out."""
    data: dict[str, dict[str, object]] = {
        "subject": {"id": 1, "key": encoded(b"s" * 32)},
        "token": {"current": 0, "keys": {0: encoded(b"t" * 32)}},
    }
    for path, value in changes.items():
        section, _, key = path.partition("__")
        if value is None:
            del data[section][key]
        else:
            data[section][key] = value
    return yaml.safe_dump(data)


@examples(100)
@given(NAMES, NAMES)
def test_another_key_makes_other_subjects(local: str, domain: str) -> None:
    """Who has the store but not the key file cannot tell who is on the list."""
    address = Address(local, domain)
    ours, theirs = subjects_for(address, RING, {}), subjects_for(address, OTHER_RING, {})
    assert not set(ours) & set(theirs)


@examples(100)
@given(st.lists(st.sampled_from([*"ab", "a.b", "com", ""]), min_size=4, max_size=4))
def test_a_person_never_has_the_key_of_a_domain(names: list[str]) -> None:
    """Not even one with no domain: postmaster is no domain of that name."""
    local, domain, *_ = names
    person = subject_of_address(Address(local, domain), RING, {})
    assert person not in {subject_of(entry, RING) for name in names for entry in (name, f".{name}")}


def test_a_recipient_is_looked_up_as_person_domain_and_parent_domains() -> None:
    """The person's own key stands first: it is the one that goes into a token."""
    subjects = subjects_for(canonical("Person@mail.example.com"), RING, {})
    assert subjects == tuple(
        subject_of(text, RING) for text in ("person@mail.example.com", "mail.example.com", ".example.com", ".com")
    )
    assert subjects_for(canonical("postmaster"), RING, {}) == (subject_of("postmaster@", RING),)


def test_a_folded_recipient_is_looked_up_as_it_is_too() -> None:
    """It may have been stored before the folding was switched on."""
    foldings = {"example.com": Folding("+")}
    subjects = subjects_for(canonical("a+b@example.com"), RING, foldings)
    assert subjects[:2] == (subject_of("a@example.com", RING), subject_of("a+b@example.com", RING))
    assert subject_of_address(canonical("a+b@example.com"), RING, foldings) == subjects[0]
    assert len(subjects_for(canonical("a@example.com"), RING, foldings)) == 3


def test_a_subject_key_is_a_keyed_digest_of_16_octets() -> None:
    """As the format says: the store of one version is read by the next."""
    assert subject_of("person@example.com", RING).hex() == "a417e8d0d31ecc4448de5511ddf9dd72"


def test_check_values_tell_keys_apart_and_nothing_else() -> None:
    """Equal for equal keys, different for different ones and different ids, and not the key itself."""
    again = KeyRing.parse(RING.render())
    assert again.checks() == RING.checks()
    ours, theirs = RING.checks(), OTHER_RING.checks()
    assert ours.keys() == theirs.keys() == {"subject-1", "token-0"}
    assert not set(ours.values()) & set(theirs.values())
    same = KeyRing(1, b"k" * 32, 0, {0: b"k" * 32, 1: b"k" * 32})
    assert len(set(same.checks().values())) == 3


def test_a_check_value_does_not_give_the_key_away() -> None:
    """It is a digest under the key: not a part of it, and no subject key of any text."""
    for check in RING.checks().values():
        assert len(check) == 16
        assert check not in RING.subject + RING.token[0]
    assert RING.checks()["subject-1"] != subject_of("subject-1", RING)


def test_a_key_ring_shows_no_secret() -> None:
    """Neither in a log line nor in a traceback."""
    shown = repr(RING)
    assert "ssss" not in shown
    assert "tttt" not in shown


def test_a_key_file_reads_back_as_it_was_written() -> None:
    """With every token key it holds."""
    ring = KeyRing(3, b"a" * 32, 7, {2: b"b" * 32, 7: b"c" * 32})
    assert KeyRing.parse(ring.render()) == ring


def test_a_new_token_key_signs_and_the_old_ones_stay() -> None:
    """Rotation adds; it takes nothing away."""
    ring = RING.with_token_key(b"n" * 32)
    assert (ring.token_current, dict(ring.token)) == (1, {0: b"t" * 32, 1: b"n" * 32})
    assert (ring.subject_id, ring.subject) == (RING.subject_id, RING.subject)


def test_there_are_32_token_keys_at_most() -> None:
    """The number has five bits in a token."""
    full = KeyRing(1, b"s" * 32, 31, {31: b"t" * 32})
    with pytest.raises(KeyFileError, match="token keys are numbered up to 31"):
        full.with_token_key(b"n" * 32)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the key file has no token.keys"),
        ("just text", "the key file has no token.keys"),
        ("- a\n- b\n", "the key file has no token.keys"),
        ("token: 5\n", "the key file has no token.keys"),
        ("a: [", "the key file is not YAML"),
        ("a: 2026-02-31", "the key file is not YAML"),
        ("token: {keys: {}}\n", "the key file has no subject.id"),
        (key_file(subject__id=None), "the key file has no subject.id"),
        (key_file(subject__key=None), "the key file has no subject.key"),
        (key_file(token__current=None), "the key file has no token.current"),
        (key_file(token__keys=None), "the key file has no token.keys"),
        (key_file(token__keys=[encoded(b"t" * 32)]), "token.keys: not keys by their numbers"),
        (key_file(token__keys={}), "token.current: there is no token key 0 under token.keys"),
        (key_file(token__current=1), "token.current: there is no token key 1 under token.keys"),
        (key_file(token__current="0"), "token.current: '0' is not a number from 0 to 31"),
        (key_file(token__current=True), "token.current: True is not a number from 0 to 31"),
        (key_file(subject__id=-1), "subject.id: -1 is not a number from 0 to 31"),
        (key_file(subject__id=32), "subject.id: 32 is not a number from 0 to 31"),
        (key_file(token__keys={32: encoded(b"t" * 32)}), "token.keys: 32 is not a number from 0 to 31"),
        (key_file(subject__key="no base64!"), "subject.key: not base64"),
        (key_file(subject__key="ä"), "subject.key: not base64"),
        (key_file(subject__key=12345), "subject.key: not base64"),
        (key_file(subject__key=encoded(b"s" * 31)), "subject.key: 31 octets, not 32"),
        (key_file(subject__key=""), "subject.key: 0 octets, not 32"),
        (key_file(token__keys={0: encoded(b"t" * 33)}), "token.keys.0: 33 octets, not 32"),
        (key_file(token__keys={0: "%"}), "token.keys.0: not base64"),
    ],
)
def test_a_damaged_key_file_says_what_is_wrong_with_it(text: str, message: str) -> None:
    """And never shows a key."""
    with pytest.raises(KeyFileError) as caught:
        KeyRing.parse(text)
    assert message == str(caught.value)


@examples(133)
@given(st.data())
def test_no_damage_to_a_key_file_is_more_than_a_key_file_error(data: st.DataObject) -> None:
    """A cut, a changed character or an inserted one: the ring as it was, another one, or KeyFileError."""
    text = key_file()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 3, len(text))))
    inserted = data.draw(st.text(st.sampled_from("x0:-{}[]'\"&*!?|>%@\n \t\x00=,"), max_size=3))
    try:
        KeyRing.parse(text[:start] + inserted + text[end:])
    except KeyFileError:
        return
