"""JSON lines: every entry, with everything, as docs/export.md describes them."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consentmilter.exporters import FORMATS, Hashed, Tally
from consentmilter.model import Reason, Suppression
from tests.exporters.writing import LATER, SETTING, hashed, row, written, written_hashes
from tests.unit.making import examples

TIMES = st.integers(0, 1 << 33).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TEXTS = st.text(max_size=20)
COMMON: dict[str, Any] = {
    "scope": TEXTS,
    "reason": st.sampled_from(Reason),
    "origin": TEXTS,
    "created": TIMES,
    "expires": st.none() | TIMES,
    "batch": st.none() | TEXTS,
    "asserted_again": st.booleans(),
}


def read(line: str) -> Suppression | Hashed:
    """An entry from its line, as the page says that it is to be read."""
    data = json.loads(line)
    [who] = {"email", "domain", "subject", "digest"} & set(data)
    times = {name: data[name] and datetime.fromisoformat(data[name]) for name in ("created", "expires")}
    common = {name: data[name] for name in COMMON} | times | {"reason": Reason(data["reason"])}
    if who == "digest":
        return Hashed(digest=bytes.fromhex(data[who]), list=data["list"], **common)
    if who == "subject":
        return Suppression(subject=bytes.fromhex(data[who]), **common)
    assert (who == "email") == ("@" in data[who])
    return Suppression(subject=b"s" * 16, address=data[who], **common)


@examples(66)
@given(entry=st.builds(Suppression, subject=st.just(b"s" * 16), address=st.none() | TEXTS, **COMMON))
def test_an_entry_comes_back_as_it_was(entry: Suppression) -> None:
    """Whatever its texts hold, on a line of its own in ASCII."""
    [line] = FORMATS["jsonl"].people([entry], SETTING, Tally())
    assert line.isascii()
    assert line.splitlines() == [line.removesuffix("\n")]
    assert read(line) == entry


@examples(60)
@given(entry=st.builds(Hashed, digest=st.binary(min_size=16, max_size=32), list=TEXTS, **COMMON))
def test_an_entry_of_a_hash_list_comes_back_as_it_was(entry: Hashed) -> None:
    """With the list that it is from."""
    [line] = FORMATS["jsonl"].hashes([entry], SETTING, Tally())
    assert read(line) == entry


def test_an_entry_without_an_address_says_which_key_it_needs() -> None:
    """With another subject key it would mean nobody."""
    assert json.loads(written("jsonl", row(None))[0])["key"] == SETTING.key
    assert "key" not in json.loads(written("jsonl", row())[0])


def test_a_line_that_lost_something_would_be_noticed() -> None:
    """The comparison sees each column."""
    line = written("jsonl", row(expires=LATER, batch="b", asserted_again=True))[0]
    for name, other in {"expires": None, "batch": None, "asserted_again": False, "origin": "x", "scope": "x"}.items():
        assert read(json.dumps(json.loads(line) | {name: other})) != read(line)
    assert read(written_hashes("jsonl", [hashed(bytes(16), list="x")])[0]) != hashed(bytes(16))
