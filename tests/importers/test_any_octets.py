"""Whatever octets a file has, it is read or refused with an error of ours. The short way says what the long does."""

import io
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consentmilter.addresses import all_plain, mailable, plain
from consentmilter.errors import AddressError, UsageError
from consentmilter.importers import SHAPES, recognise
from consentmilter.keys import KeyRing, subject_maker, subject_of, subjects_maker
from consentmilter.model import Reason
from consentmilter.service.parsing import Job, chunks
from consentmilter.service.unpacking import examine
from consentmilter.subjects import subject_named

RING = KeyRing(1, b"s" * 32, 1, {1: b"t" * 32})
NOW = datetime(2026, 3, 1, tzinfo=UTC)
STARTS = st.sampled_from(
    [b"", b"email,reason\n", b"[{", b'{"email":"', b"\xff\xfe", b"\xef\xbb\xbf", b"a@x.example,BOUNCE\n", b"a REJECT\n"]
)
NEARLY = st.text(st.sampled_from("aZ0.@-_+'\"<> \u00fc\u0130\x00"), max_size=30)


@pytest.mark.parametrize("wanted", [None, *SHAPES])
@given(start=STARTS, octets=st.binary(max_size=300))
def test_any_octets_are_read_or_refused(wanted: str | None, start: bytes, octets: bytes) -> None:
    """Without any error but ours, and each row counts once."""
    file = io.BytesIO(start + octets)
    with suppress(UsageError):
        examined = examine(file)
        plan = recognise(examined.sample, wanted=wanted)
        job = Job(plan, examined.packing, examined.encoding, "*", Reason.IMPORTED, RING, {}, True, "list", NOW)
        found = list(chunks(file, job))
        assert all(len(row.cause) < 400 for chunk in found for row in chunk.bad)
        assert sum(chunk.rows for chunk in found) <= len(start + octets) + 1


@given(
    start=st.sampled_from([b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", b"\x28\xb5\x2f\xfd"]),
    octets=st.binary(max_size=200),
)
@example(start=b"\x1f\x8b", octets=zlib.compress(b"a@x.example"))
def test_any_octets_in_a_package_are_unpacked_or_refused(start: bytes, octets: bytes) -> None:
    """What is no package is no fault of the program."""
    with suppress(UsageError):
        examine(io.BytesIO(start + octets))


@given(NEARLY | st.emails())
def test_the_short_way_to_a_canonical_address_is_the_long_one(text: str) -> None:
    """Wherever there is one; it must not take for an address what is none."""
    short = plain(text)
    if short is not None:
        assert short == str(mailable(text))
        assert subject_maker(RING)(short) == subject_named(text, RING, {}).key
    assert subject_maker(RING)(text) == subject_of(text, RING)


@given(st.lists(NEARLY | st.emails() | st.sampled_from(["a@x.example", "B@x.example\nc@x.example"]), max_size=4))
def test_many_addresses_take_the_short_way_together_if_each_does(texts: list[str]) -> None:
    """And come to the same, addresses and keys."""
    each = [plain(text) for text in texts]
    together = all_plain(texts)
    assert together == (None if None in each else each)
    if together is not None:
        assert subjects_maker(RING)(together) == list(map(subject_maker(RING), together))


@pytest.mark.parametrize(
    "text",
    ["Ann.Example+news@Example.COM", "o'neil@example.co.uk", "a_b@x_y.example", "x@" + "a" * 63 + ".example"],
)
def test_addresses_as_nearly_all_are_go_the_short_way(text: str) -> None:
    """Or it would be no way at all."""
    assert plain(text) == text.lower()


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "@x.example", "a@", "a@localhost", ".a@x.example", "a..b@x.example", "a@x..example", "a@-x.example"),
        *("a@x-.example", '"a b"@x.example', "<a@x.example>", "a@x.example.", " a@x.example"),
        *("a@b@x.example", "a@" + "x" * 64 + ".example", "a" * 250 + "@x.example", "a@[192.0.2.1]", "a@x.example\n"),
    ],
)
def test_any_other_text_goes_the_long_way(text: str) -> None:
    """Which knows whether it is an address after all."""
    assert plain(text) is None
    with suppress(AddressError):
        mailable(text)
