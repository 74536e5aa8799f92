"""`consentmilter prune`: what was kept long enough goes, and it says what went."""

import pytest

from consentmilter.store.retention import Kind
from tests.cli.installation import SITE, Installation
from tests.docs.pages import code, page, table

READER = "reader@example.net"


def expired(site: Installation, *people: str) -> None:
    """Suppressions that ended long ago."""
    site.run("add", *people, "--expires", "2099-01-01")
    site.alter("UPDATE suppression SET expires = 1000000000 WHERE expires IS NOT NULL")


def test_what_went_is_told_by_kind(site: Installation) -> None:
    """And in the ledger; a second run finds nothing."""
    expired(site, READER)
    foreseen = site.run("prune", "--dry-run").lines
    assert len(site.rows()) == 1
    told = site.run("prune").lines
    assert [line.replace("would be ", "") for line in foreseen] == told
    assert [line.partition(":")[0] for line in told] == [str(kind) for kind in Kind]
    assert told[1].startswith("expired: 1 removed, of before 20")
    assert told[-1] == "evidence: all kept"
    assert site.rows() == []
    assert site.run("prune").lines[1].startswith("expired: 0 removed")
    assert site.rows("SELECT action, actor, count FROM ledger ORDER BY id") == [
        ("add", "alice", 1),
        ("prune", "alice", 1),
    ]


def test_a_legal_hold_keeps_a_person_back(site: Installation) -> None:
    """The next one goes."""
    expired(site, READER, "other@example.net")
    site.run("subject", "hold", READER, "--evidence", "Reader v. Acme")
    assert site.run("prune").lines[1].endswith(", 1 kept back")
    assert site.run("prune", "--json").json[1]["kept"] == 1
    site.run("subject", "release", READER, "--evidence", "settled")
    assert site.run("prune", "--json").json[1]["removed"] == 1
    assert site.rows() == []


def test_the_terms_of_the_configuration_count(site: Installation) -> None:
    """What has none is kept for ever."""
    expired(site, READER)
    site.configure(**SITE, retention={"expired": None, "evidence": "1d"})
    site.alter("DROP TRIGGER ledger_no_update")
    site.alter("UPDATE ledger SET at = 1000000000")
    told = {each["kind"]: each for each in site.run("prune", "--json").json}
    assert (told["expired"]["before"], told["expired"]["removed"]) == (None, 0)
    assert told["evidence"]["removed"] == 1
    assert site.rows("SELECT data FROM ledger_evidence ORDER BY ledger_id LIMIT 1") == [("{}",)]
    assert len(site.rows()) == 1


@pytest.mark.parametrize("missing", ["store", "journal"])
def test_a_database_that_is_away_is_told(site: Installation, missing: str) -> None:
    """Exit code 3."""
    (site.store if missing == "store" else site.journal).unlink()
    assert "there is no database" in site.run("prune", code=3).err


def test_the_kinds_and_the_keys_of_json_are_documented_and_no_others(site: Installation) -> None:
    """docs/retention.md has a table of each."""
    text = page("retention.md")
    data = site.run("prune", "--json").json
    assert [code(row[0]) for row in table(text, "kind", "what", "kept", "setting")] == [str(kind) for kind in Kind]
    assert [code(row[0]) for row in table(text, "key of `prune --json`", "meaning")] == list(data[0])
    assert [each["kind"] for each in data] == [str(kind) for kind in Kind]
