"""The formats: what each writes of an entry, what it leaves out, and what it cannot say."""

import csv
import hashlib
import io
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from consentmilter.exporters import FORMATS, Left, Lost
from consentmilter.model import Reason
from tests.exporters.writing import EARLIER, LATER, SETTING, hashed, row, written, written_hashes

ONE_LINE_EACH = ["postfix", "sha256", "sha1", "md5", "sendgrid", "ses", "mailgun", "postmark"]
VENDORS = ["sendgrid", "ses", "mailgun", "postmark"]

LINES = {
    "csv": "a@x.example,*,unsubscribe,2026-02-07T08:30:05Z,,click,,false\n",
    "postfix": "a@x.example REJECT opted out\n",
    "sha256": f"{hashlib.sha256(b'a@x.example').hexdigest()}\n",
    "sha1": f"{hashlib.sha1(b'a@x.example').hexdigest()}\n",
    "md5": f"{hashlib.md5(b'a@x.example').hexdigest()}\n",
    "sendgrid": "a@x.example,1770453005\n",
    "ses": "a@x.example,COMPLAINT\n",
    "mailgun": 'a@x.example,*,"Sat, 07 Feb 2026 08:30:05 +0000"\n',
    "postmark": "a@x.example,ManualSuppression,Recipient,2026-02-07T08:30:05Z\n",
}


@pytest.mark.parametrize("name", LINES)
def test_an_entry_is_a_line(name: str) -> None:
    """As the reader of the format expects it, below the header that it expects."""
    text, tally = written(name, row())
    assert text == FORMATS[name].header + LINES[name]
    assert tally.left.total() == 0


@pytest.mark.parametrize("name", ["csv", *VENDORS])
@pytest.mark.parametrize(
    "address", ["a@x.example", '"a,b"@x.example', '"q""t"@x.example', "=1+1@x.example", "ü@x.example"]
)
def test_the_csv_module_reads_every_dialect_back(name: str, address: str) -> None:
    """One cell for each column, and the address as it was; a spreadsheet's apostrophe only where people read."""
    rows = list(csv.reader(io.StringIO(written(name, row(address))[0], newline=""), strict=True))
    assert len({len(cells) for cells in rows}) == 1
    assert rows[-1][0] == (f"'{address}" if name == "csv" and address.startswith("=") else address)


@pytest.mark.parametrize(
    ("name", "reason", "cells"),
    [
        ("ses", Reason.HARD_BOUNCE, "BOUNCE"),
        ("ses", Reason.COMPLAINT, "COMPLAINT"),
        ("ses", Reason.LEGAL, "COMPLAINT"),
        ("postmark", Reason.HARD_BOUNCE, "HardBounce,Recipient"),
        ("postmark", Reason.COMPLAINT, "SpamComplaint,Recipient"),
        ("postmark", Reason.MANUAL, "ManualSuppression,Customer"),
        ("postmark", Reason.OBJECTION, "ManualSuppression,Recipient"),
    ],
)
def test_reasons_become_those_of_the_vendor(name: str, reason: Reason, cells: str) -> None:
    """The nearest that it has."""
    assert f"a@x.example,{cells}" in written(name, row(reason=reason))[0]


@pytest.mark.parametrize("name", VENDORS)
def test_a_reason_that_a_vendor_does_not_know_is_counted(name: str) -> None:
    """Legal is none of theirs."""
    assert written(name, row(reason=Reason.LEGAL))[1].lost == Counter({Lost.REASON: 1})


@pytest.mark.parametrize("name", ONE_LINE_EACH)
def test_somebody_who_stands_twice_has_one_line(name: str) -> None:
    """With the strictest reason; the scope is not lost, since one of the entries is for everything."""
    rows = [row(reason=Reason.HARD_BOUNCE), row(scope="acme", reason=Reason.COMPLAINT)]
    text, tally = written(name, *rows)
    assert text == written(name, rows[1])[0]
    assert Lost.SCOPE not in tally.lost


@pytest.mark.parametrize("name", ONE_LINE_EACH)
def test_what_has_expired_is_left_out(name: str) -> None:
    """A list without ends would hold it for ever; the expired entry does not set the reason either."""
    text, tally = written(name, row(reason=Reason.COMPLAINT, expires=EARLIER), row(reason=Reason.HARD_BOUNCE))
    assert text == written(name, row(reason=Reason.HARD_BOUNCE))[0]
    assert tally.left == Counter({Left.EXPIRED: 1})
    assert written(name, row(expires=EARLIER))[0] == FORMATS[name].header


@pytest.mark.parametrize("name", ONE_LINE_EACH)
def test_what_a_list_of_addresses_cannot_say_is_counted(name: str) -> None:
    """A narrower scope, and an end; unless the scope is what was asked for."""
    narrow = row(scope="acme", expires=LATER)
    assert {Lost.SCOPE, Lost.EXPIRES} <= set(written(name, narrow)[1].lost)
    assert Lost.SCOPE not in written(name, narrow, setting=replace(SETTING, scoped=True))[1].lost
    assert Lost.EXPIRES not in written(name, narrow, row(scope="acme", reason=Reason.LEGAL))[1].lost


@pytest.mark.parametrize("name", FORMATS)
def test_an_entry_without_an_address_is_counted_where_one_is_needed(name: str) -> None:
    """JSON lines have it by its key; all others need an address."""
    text, tally = written(name, row(None))
    assert tally.left == Counter({} if name == "jsonl" else {Left.NO_ADDRESS: 1})
    assert text.count("\n") == (name == "jsonl") + FORMATS[name].header.count("\n")


@pytest.mark.parametrize("name", ONE_LINE_EACH)
def test_an_address_that_stands_beside_one_entry_holds_for_the_others(name: str) -> None:
    """It is the same person's."""
    rows = [row(), replace(row(scope="acme", reason=Reason.LEGAL), address=None)]
    text, tally = written(name, *rows)
    assert "\n" in text.removeprefix(FORMATS[name].header)
    assert tally.left.total() == 0


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("domain", ["example.com", ".example.com"])
def test_domains_go_where_they_are_understood(name: str, domain: str) -> None:
    """People, programs of ours, and Postfix."""
    text, tally = written(name, row(domain))
    understood = name in ("csv", "jsonl", "postfix")
    assert (domain in text) == understood
    assert tally.left == Counter({} if understood else {Left.DOMAIN: 1})


@pytest.mark.parametrize("name", FORMATS)
def test_entries_of_hash_lists_go_to_their_own_kind(name: str) -> None:
    """To the lists of the same algorithm, and into JSON lines; else they are counted."""
    digests = {"md5": bytes(16), "sha1": bytes(20), "sha256": bytes(32)}
    text, tally = written_hashes(name, [hashed(digest) for digest in digests.values()])
    if name in digests:
        assert text == f"{digests[name].hex()}\n"
        assert tally.left == Counter({Left.HASH: 2})
    else:
        assert text.count("\n") == (3 if name == "jsonl" else 0)
        assert tally.left.total() == (0 if name == "jsonl" else 3)
    assert written_hashes(name, [hashed(bytes(16), expires=EARLIER)])[0].count("\n") == (name == "jsonl")


ODD = [
    "#a@x.example",
    '"a b"@x.example',
    '"a\tb"@x.example',
    "a#b@x.example",
    "a+b@x.example",
    "ü@x.example",
    "=a@x.example",
]


def test_a_postfix_map_says_what_it_cannot_hold() -> None:
    """A comment or a blank would make the line say something else."""
    _, tally = written("postfix", *map(row, ODD))
    assert tally.left == Counter({Left.UNWRITABLE: 3})


def test_postfix_reads_the_map(tmp_path: Path) -> None:
    """Every line that is written is found again by postmap(1) as it stands."""
    everything = [*ODD, "example.com", ".example.com", "a@[192.0.2.1]"]
    path = tmp_path / "opted-out"
    path.write_text(written("postfix", *map(row, everything))[0], encoding="utf-8")
    (tmp_path / "main.cf").write_text("compatibility_level = 3.6\n")
    subprocess.run(["postmap", "-c", tmp_path, f"hash:{path}"], check=True, timeout=30)
    found = {}
    for subject in everything:
        query = ["postmap", "-c", str(tmp_path), "-q", subject, f"hash:{path}"]
        found[subject] = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False).stdout
    assert {subject for subject, answer in found.items() if answer != "REJECT opted out\n"} == set(ODD[:3])
