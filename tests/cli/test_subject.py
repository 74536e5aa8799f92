"""`consentmilter subject`: what a person may ask, from the command line to the answer."""

import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from consentmilter.cli.dossier import TITLES
from lab.milter import Milter
from lab.mta import Mta
from tests.cli.installation import Done, Installation, run
from tests.docs.pages import code, page, table

READER, OTHER = "reader@example.net", "other@example.net"
LISTED = "email,reason\nreader@example.net,unsubscribe\n"
EVIL = '<script>alert("x")</script> \x1b[31m'


def added(site: Installation, *options: str) -> None:
    site.run("add", READER, "--scope", "acme", "--evidence", "rang on 2 February", *options)


def actions(site: Installation) -> list[str]:
    return [str(row[0]) for row in site.rows("SELECT action FROM ledger ORDER BY id")]


class Page(HTMLParser):
    """What a page is made of: its tags, and its text without the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_export_is_noted_and_then_shown(site: Installation) -> None:
    """As text, with a heading for every part, and nothing that could play tricks on a terminal."""
    site.run("add", READER, "--evidence", EVIL)
    shown = site.run("subject", "export", READER, "--evidence", "ticket 4711")
    assert shown.lines[0] == f"What is held about {READER}"
    assert [heading for heading, _ in TITLES.values()] == [
        line.rpartition(" (")[0] for line in shown.lines if re.fullmatch(r"[A-Z].* \(\d+\)", line)
    ]
    assert "\x1b" not in shown.out
    assert "\\x1b[31m" in shown.out
    assert actions(site) == ["add", "export"]


def test_a_page_stands_alone_and_shows_what_the_person_wrote_as_text(site: Installation) -> None:
    """Nothing of what came from outside becomes markup, and nothing is loaded from elsewhere."""
    site.run("add", READER, "--evidence", EVIL)
    site.run("subject", "export", READER, "--format", "html", "-o", site.directory / "reader.html")
    path = site.directory / "reader.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = Page(path.read_text(encoding="utf-8"))
    assert '<script>alert("x")</script>' in found.text
    tags = {tag for tag, _ in found.tags}
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p"),
        *("div", "table", "thead", "tbody", "tr", "th", "td"),
    }
    assert {"src", "href"}.isdisjoint(name for _, attributes in found.tags for name in attributes)
    assert all(heading in found.text for heading, _ in TITLES.values())


def test_the_export_of_nobody_is_a_no_and_leaves_no_file(site: Installation) -> None:
    """Nor an entry in the ledger."""
    path = site.directory / "reader.txt"
    assert "nothing is held" in site.run("subject", "export", READER, "-o", path, code=1).err
    assert not path.exists()
    assert actions(site) == []


def test_an_export_that_cannot_be_written_is_not_noted(site: Installation) -> None:
    """What was not handed out is not said to have been."""
    added(site)
    site.run("subject", "export", READER, "-o", site.directory / "missing" / "reader.txt", code=2)
    assert actions(site) == ["add"]


def test_a_dry_run_of_an_export_counts_and_notes_nothing(site: Installation) -> None:
    """As text and as JSON."""
    added(site)
    assert "No mail: 1" in site.run("subject", "export", READER, "--dry-run").lines
    counted = site.run("subject", "export", READER, "--dry-run", "--json").json
    assert (counted["suppressions"], counted["ledger"], counted["journal"]) == (1, 1, 0)
    site.run("subject", "export", OTHER, "--dry-run", code=1)
    assert actions(site) == ["add"]


def test_each_request_says_what_it_did_and_is_in_the_ledger(site: Installation) -> None:
    """In words and in numbers."""
    added(site)
    assert site.run("subject", "rectify", READER, OTHER, "--evidence", "x").lines == [
        "suppressions made: 1 (manual in acme)"
    ]
    assert site.run("subject", "restrict", OTHER, "--evidence", "x").lines == ["suppressions made: 1 (legal in *)"]
    assert site.run("subject", "object", READER).lines == ["suppressions made: 1 (objection in *)"]
    assert site.run("subject", "object", READER, "--organisation", "acme").lines == [
        "suppressions made: 1 (objection in acme)"
    ]
    assert site.run("subject", "erase", READER, "--evidence", "x").lines == [
        "suppressions kept without the address: 3",
        "ledger evidence blanked: 4",
    ]
    assert [each for each in actions(site) if each not in ("add", "repeat")] == [
        *("rectify", "rectify", "restrict", "object", "object", "erase")
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["rectify", READER, OTHER, "--evidence", "x"],
        ["erase", READER],
        ["restrict", READER, "--evidence", "x"],
        ["object", READER],
        ["hold", READER, "--evidence", "x"],
    ],
    ids=lambda words: words[0],
)
def test_a_dry_run_says_the_same_and_changes_nothing(site: Installation, words: list[str]) -> None:
    """What would be done is what is done then."""
    added(site)
    before = site.rows("SELECT * FROM suppression"), actions(site), site.rows("SELECT * FROM legal_hold")
    foreseen = site.run("subject", *words, "--dry-run")
    assert "nothing has changed" in foreseen.err
    assert (site.rows("SELECT * FROM suppression"), actions(site), site.rows("SELECT * FROM legal_hold")) == before
    assert site.run("subject", *words).out == foreseen.out


def test_who_was_erased_and_imported_again_still_gets_no_mail(site: Installation) -> None:
    """And the import does not bring the address back."""
    site.run("import", site.file("one.csv", LISTED))
    site.run("subject", "erase", READER)
    site.run("import", site.file("two.csv", f"{LISTED}{OTHER},complaint\n"))
    assert site.run("check", READER, "--stream", "acme.newsletter", code=1)
    [told] = [row for row in site.rows("SELECT address, reason FROM suppression") if row[1] == "unsubscribe"]
    assert told == ("", "unsubscribe")
    assert site.run("subject", "export", READER, "--json").json["suppressions"][0]["address"] is None


def test_the_chain_of_the_ledger_can_be_verified_after_an_erasure(site: Installation) -> None:
    """And the list be rebuilt from it: nothing was altered, and nothing is missing."""
    added(site)
    site.run("subject", "rectify", READER, OTHER, "--evidence", "x")
    site.run("subject", "restrict", OTHER, "--evidence", "x")
    site.run("subject", "erase", READER, "--evidence", "x")
    site.run("ledger", "verify")
    site.run("ledger", "rebuild")
    site.alter("DROP TRIGGER ledger_evidence_no_update")
    site.alter("UPDATE ledger_evidence SET salt = zeroblob(16)")
    site.run("ledger", "verify", code=1)


def test_a_legal_hold_stops_an_erasure_and_is_shown_to_whoever_asks(site: Installation) -> None:
    """Exit code 1, with the cause; and the hold ends as it began."""
    added(site)
    assert site.run("subject", "hold", READER, "--evidence", "Reader v. Acme").out == f"{READER}: held\n"
    assert "held already (hold since" in site.run("subject", "hold", READER, "--evidence", "again").out
    stopped = site.run("subject", "erase", READER, code=1)
    assert re.match(rf"error: {READER} is under a legal hold since .* by cli:alice: Reader v\. Acme", stopped.err)
    assert READER in str(site.rows("SELECT address FROM suppression"))
    assert "released (hold since" in site.run("subject", "release", READER, "--evidence", "settled").out
    assert site.run("subject", "release", READER, "--evidence", "settled", code=1).out == f"{READER}: not held\n"
    assert site.run("subject", "erase", READER)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export", "example.net"], "a person is named by an address"),
        (["export", READER, "--json", "--format", "html"], "say one of them"),
        (["erase", "reader@"], "error:"),
        (["rectify", READER, " Reader@EXAMPLE.net", "--evidence", "x"], "the same person already"),
        (["rectify", READER, OTHER], "--evidence"),
        (["restrict", READER], "--evidence"),
        (["hold", READER], "--evidence"),
        (
            ["object", READER, "--organisation", "acme.newsletter"],
            "unknown organisation 'acme.newsletter' (use *, acme)",
        ),
    ],
)
def test_wrong_usage_of_a_request_changes_nothing(site: Installation, words: list[str], said: str) -> None:
    """Exit code 2, and what to do."""
    added(site)
    assert said in site.run("subject", *words, code=2).err
    assert actions(site) == ["add"]


def test_without_a_journal_nothing_is_erased(site: Installation) -> None:
    """Exit code 3: what cannot be done whole is not begun."""
    added(site)
    site.journal.unlink()
    assert "journal.db" in site.run("subject", "erase", READER, code=3).err
    assert actions(site) == ["add"]


def test_the_keys_of_json_are_documented_and_no_others(site: Installation) -> None:
    """docs/rights.md has a table for each, in their order."""
    added(site)
    text = page("rights.md")

    def documented(heading: str) -> list[str]:
        return [code(row[0]) for row in table(text, heading, "meaning")]

    exported = site.run("subject", "export", READER, "--json").json
    assert documented("key of `subject export --json`") == list(exported)
    done = site.run("subject", "object", READER, "--json").json
    assert documented("key of a request") == list(done)
    assert documented("key of an effect") == list(done["effects"][0])
    held = site.run("subject", "hold", READER, "--evidence", "x", "--json").json
    assert documented("key of `subject hold --json` and `subject release --json`") == list(held)
    assert held.keys() == site.run("subject", "release", READER, "--evidence", "x", "--json").json.keys()


def test_the_real_milter_refuses_whoever_was_erased_and_imported_again(tmp_path: Path) -> None:
    """At RCPT, before and after; the journal of the mail before names nobody any more, and no address comes back."""
    config: dict[str, Any] = {
        "mode": "enforce",
        "streams": {"acme.news": {}},
        "classify": [{"mail_from": "*", "stream": "acme.news"}],
        "outbound": {"clients": ["0.0.0.0/0"]},
    }
    with Milter(tmp_path, config=config) as milter:

        def told(*words: str, given: str = "") -> Done:
            done = run("--config", milter.config_file, *words, given=given.encode())
            assert done.code == 0, done
            return done

        def refused() -> None:
            with Mta(milter.socket) as mta:
                mta.connect()
                mta.mail("<news@acme.example>")
                mta.rcpt(f"<{READER}>").expects(550, "opted out")

        told("import", "-", given=LISTED)
        refused()
        [before] = milter.journal(1)
        told("subject", "erase", READER, "--evidence", "ticket 4711")
        assert told("subject", "export", READER, "--json").json["journal"] == []
        told("import", "-", "--reason", "imported", given=f"{LISTED}{OTHER},complaint\n")
        refused()
        rows = milter.journal(2)
        assert [row.subject for row in rows] == [None, before.subject]
        again = told("subject", "export", READER, "--json").json
        assert len(again["journal"]) == 1
        assert [row["address"] for row in again["suppressions"]] == [None]


def test_who_asked_for_restriction_stays_in_the_exports(site: Installation) -> None:
    """Another system that took the list without them would mail them again."""
    site.run("add", READER)
    site.run("subject", "restrict", READER, "--evidence", "disputed")
    assert READER in site.run("export").out


def test_who_was_erased_is_exported_without_an_address(site: Installation) -> None:
    """As one of whom none was ever known."""
    site.run("add", READER)
    site.run("subject", "erase", READER)
    exported = site.run("export", "--format", "jsonl")
    assert READER not in exported.out
    assert site.run("export").lines[1:] == []
