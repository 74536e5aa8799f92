"""`consentmilter add` and `consentmilter remove`."""

import json
import os
import pwd
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.cli.installation import SITE, Installation

LEDGER = "SELECT action, actor, source, scope, reason, data FROM ledger LEFT JOIN ledger_evidence ON ledger_id = id"

REFUSAL = """
CREATE TRIGGER no BEFORE {event} ON suppression WHEN {row}.address = '{address}'
BEGIN SELECT RAISE(ABORT, 'no'); END
"""


def ledger(site: Installation) -> list[tuple[Any, ...]]:
    """Every entry, with its evidence as data."""
    return [(*row, json.loads(data) if data else None) for *row, data in site.rows(LEDGER)]


def test_add_puts_a_person_on_the_list_for_everything(site: Installation) -> None:
    """By hand, for ever, under the canonical address."""
    done = site.run("add", "<Reader@Example.NET>")
    assert (done.out, done.err) == ("1 new, 0 known\n", "")
    assert site.rows("SELECT scope, reason, address, expires FROM suppression") == [
        ("*", "manual", "reader@example.net", None)
    ]


def test_add_records_who_and_why(site: Installation) -> None:
    """In the ledger, with the user behind sudo."""
    site.run("add", "a@x.example", "--scope", "acme.newsletter", "--reason", "objection", "--evidence", "a letter")
    site.run("add", "a@x.example", "--scope", "acme.newsletter", "--reason", "objection")
    said = {"address": "a@x.example"}
    assert ledger(site) == [
        ("add", "alice", "cli", "acme.newsletter", "objection", said | {"evidence": "a letter"}),
        ("repeat", "alice", "cli", "acme.newsletter", "objection", said),
    ]


def test_the_user_is_not_taken_from_where_anybody_can_set_it(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LOGNAME and USER are no evidence of who ran the command."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setenv("USER", "mallory")
    site.run("add", "a@x.example")
    assert site.rows("SELECT actor FROM ledger") == [(pwd.getpwuid(os.getuid()).pw_name,)]


def test_a_user_without_a_name_is_a_number(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container."""
    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)
    site.run("add", "a@x.example")
    assert site.rows("SELECT actor FROM ledger") == [("uid 4000000000",)]


def test_add_takes_domains_and_sub_domains(site: Installation) -> None:
    """All of them at once, each once."""
    done = site.run("add", "Example.COM", ".example.org", "example.com", "a@bücher.example")
    assert done.out == "3 new, 0 known\n"
    assert site.rows("SELECT address FROM suppression ORDER BY 1") == [
        (".example.org",),
        ("a@xn--bcher-kva.example",),
        ("example.com",),
    ]


def test_what_stands_already_is_known(site: Installation) -> None:
    """And marked as asserted again."""
    site.run("add", "a@x.example")
    assert site.run("add", "b@x.example", "A@X.example").out == "1 new, 1 known\n"
    assert site.rows("SELECT address, asserted_again FROM suppression ORDER BY 1") == [
        ("a@x.example", 1),
        ("b@x.example", 0),
    ]


@pytest.mark.parametrize(
    "wrong", ["reader", "a@b@", "a b@x.example", "", "a@x_.example-", "..", "localhost", "a\0@x.example"]
)
def test_one_bad_address_stops_all(site: Installation, wrong: str) -> None:
    """Nothing of the command goes in."""
    done = site.run("add", "a@x.example", wrong, code=2)
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    assert site.rows() == []
    assert site.run("remove", wrong, "--evidence", "x", code=2).err.startswith("error: ")


def test_a_fault_of_the_store_leaves_none_of_them(site: Installation) -> None:
    """The third row is refused by the database; the first two are not there either."""
    site.alter(REFUSAL.format(event="INSERT", row="NEW", address="c@x.example"))
    done = site.run("add", "a@x.example", "b@x.example", "c@x.example", code=3)
    assert (done.out, "consent.db" in done.err) == ("", True)
    assert site.rows() == []
    assert site.rows("SELECT * FROM ledger") == []


def test_an_unknown_scope_is_refused_with_the_mend(site: Installation) -> None:
    """It would suppress nothing."""
    assert site.run("add", "a@x.example", "--scope", "acme.newletter", code=2).err == (
        "error: --scope: unknown scope 'acme.newletter' (did you mean acme.newsletter?)\n"
    )
    known = "*, acme, acme.newsletter, acme.security, bulk, unclassified"
    assert f"(use {known})" in site.run("add", "a@x.example", "--scope", "zzz", code=2).err
    assert site.rows() == []


def test_an_organisation_is_a_scope(site: Installation) -> None:
    """All of its streams."""
    site.run("add", "a@x.example", "--scope", "acme")
    assert site.run("check", "a@x.example", "--stream", "acme.newsletter", code=1).out.startswith(
        "acme.newsletter: reject (manual in acme since "
    )


def test_a_suppression_may_expire(site: Installation) -> None:
    """At the end of the day that is named, or at a time."""
    site.run("add", "a@x.example", "--expires", "2999-12-31")
    site.run("add", "b@x.example", "--expires", "2999-12-31T18:00:00+01:00")
    rows = site.rows("SELECT address, expires FROM suppression ORDER BY 1")
    assert [(name, datetime.fromtimestamp(at, UTC)) for name, at in rows] == [
        ("a@x.example", datetime(2999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("b@x.example", datetime(2999, 12, 31, 17, tzinfo=UTC)),
    ]


def test_a_suppression_may_end_today(site: Installation) -> None:
    """With the day."""
    today = datetime.now(UTC).date()
    site.run("add", "a@x.example", "--expires", today.isoformat())
    past = (today - timedelta(days=1)).isoformat()
    done = site.run("add", "b@x.example", "--expires", past, code=2)
    assert done.err == f"error: --expires: {past} is past; the suppression would never hold\n"


@pytest.mark.parametrize("wrong", ["tomorrow", "2999-02-30", "31.12.2999", "", "9999-12-31T23:59:59-12:00", "\0"])
def test_what_is_no_date_is_refused(site: Installation, wrong: str) -> None:
    """With the way to write one."""
    done = site.run("add", "a@x.example", "--expires", wrong, code=2)
    assert "is no date (write 2030-12-31 or 2030-12-31T18:00:00Z)" in done.err
    assert site.rows() == []


def test_an_unknown_reason_is_wrong_usage(site: Installation) -> None:
    """The message is typer's, and names those that there are."""
    done = site.run("add", "a@x.example", "--reason", "dislike", code=2)
    assert (done.out, "hard_bounce" in done.err) == ("", True)


def test_addresses_are_not_stored_where_the_site_says_so(bare: Installation) -> None:
    """Neither in the list; the ledger has what was said."""
    bare.configure(**SITE, privacy={"store_addresses": False})
    bare.run("init")
    bare.run("add", "a@x.example", "--evidence", "phone")
    assert bare.rows("SELECT address FROM suppression") == [(None,)]
    assert b"x.example" not in bare.store.read_bytes()
    assert bare.run("check", "a@x.example", code=1).code == 1


def test_add_prints_json(site: Installation) -> None:
    """Always the same keys."""
    assert site.run("add", "B@x.example", "a@x.example", "--json").json == {
        "subjects": ["b@x.example", "a@x.example"],
        "scope": "*",
        "reason": "manual",
        "new": 2,
        "known": 0,
    }


def test_remove_lifts_what_stands(site: Installation) -> None:
    """And says what it was."""
    site.run("add", "a@x.example")
    site.run("add", "a@x.example", "--scope", "acme", "--reason", "complaint")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    done = site.run("remove", "A@x.example", "--evidence", "asked in ticket 7")
    assert done.lines == [
        f"a@x.example: lifted manual in *, there since {today}",
        f"a@x.example: lifted complaint in acme, there since {today}",
    ]
    assert done.err == ""
    assert site.rows() == []
    assert [(row[0], row[-1]["evidence"]) for row in ledger(site)[2:]] == [("lift", "asked in ticket 7")] * 2


def test_remove_may_be_of_one_scope_or_reason(site: Installation) -> None:
    """The rest stands."""
    for scope, reason in (("*", "manual"), ("acme", "manual"), ("acme", "complaint")):
        site.run("add", "a@x.example", "--scope", scope, "--reason", reason)
    site.run("remove", "a@x.example", "--scope", "acme", "--reason", "manual", "--evidence", "x")
    assert [row[1:] for row in site.rows()] == [("*", "manual"), ("acme", "complaint")]


def test_remove_of_nothing_ends_with_1(site: Installation) -> None:
    """And nothing on standard output."""
    done = site.run("remove", "a@x.example", "b@x.example", "--evidence", "x", code=1)
    assert (done.out, done.lines) == ("", [])
    assert done.err == "a@x.example: nothing to lift\nb@x.example: nothing to lift\n"


def test_remove_of_some_ends_with_0(site: Installation) -> None:
    """Those for whom nothing stood are named."""
    site.run("add", "a@x.example")
    done = site.run("remove", "a@x.example", "b@x.example", "--evidence", "x")
    assert done.out.startswith("a@x.example: lifted manual")
    assert done.err == "b@x.example: nothing to lift\n"


def test_remove_says_what_keeps_a_person_suppressed(site: Installation) -> None:
    """A domain's entry is lifted under the domain's name, not by a person of it; another scope stands as well."""
    site.run("add", ".x.example", "x.example")
    site.run("add", "a@m.x.example", "--scope", "acme")
    done = site.run("remove", "b@m.x.example", "--evidence", "x", code=1)
    assert done.err == "b@m.x.example: nothing to lift; what stands: .x.example (manual in *)\n"
    done = site.run("remove", "a@m.x.example", "--scope", "*", "--evidence", "x", code=1)
    assert done.err == (
        "a@m.x.example: nothing to lift; what stands: a@m.x.example (manual in acme), .x.example (manual in *)\n"
    )
    assert site.run("remove", ".x.example", "--evidence", "x").out.startswith(".x.example: lifted manual")


@pytest.mark.parametrize("evidence", ["", "  "])
def test_remove_wants_evidence(site: Installation, evidence: str) -> None:
    """Something, not the option alone."""
    site.run("add", "a@x.example")
    assert "needs evidence" in site.run("remove", "a@x.example", "--evidence", evidence, code=2).err
    assert "--evidence" in site.run("remove", "a@x.example", code=2).err
    assert len(site.rows()) == 1


def test_remove_finds_what_was_put_in_before_a_folding(site: Installation) -> None:
    """The address as it is stands under another key than the folded one; both are the person."""
    site.run("add", "a.b+news@x.example")
    site.configure(**SITE, addresses={"x.example": {"sub_address": "+", "ignore_dots": True}})
    site.run("add", "a.b@x.example")
    assert len(site.rows()) == 2
    done = site.run("remove", "a.b+news@x.example", "--evidence", "x")
    assert [line.partition(":")[0] for line in done.lines] == ["ab@x.example", "a.b+news@x.example"]
    assert site.rows() == []


def test_remove_prints_json(site: Installation) -> None:
    """A list of what was lifted, empty where nothing was."""
    site.run("add", "a@x.example")
    [row] = site.run("remove", "a@x.example", "--evidence", "x", "--json").json
    assert list(row) == ["subject", "scope", "reason", "since"]
    assert datetime.fromisoformat(row["since"]).tzinfo is not None
    assert site.run("remove", "a@x.example", "--evidence", "x", "--json", code=1).json == []


def test_what_was_lifted_before_a_fault_is_told(site: Installation) -> None:
    """Each person's is lifted for itself."""
    site.run("add", "a@x.example", "b@x.example")
    site.alter(REFUSAL.format(event="DELETE", row="OLD", address="b@x.example"))
    done = site.run("remove", "a@x.example", "b@x.example", "--evidence", "x", "--json", code=3)
    assert [row["subject"] for row in done.json] == ["a@x.example"]
    assert "error: " in done.err
