"""`consentmilter consent`: grants, withdrawals and files of them, and that every way of asking says the same."""

import asyncio
import json
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from consentmilter.cli.site import Command
from consentmilter.service.asking import ask
from consentmilter.store.writer import Store
from tests.cli.installation import SITE, Installation

MIXED = """Email;Stream;Legal basis;Date;Confirmed;Notes;IP
ann@example.net;acme.offers;;2026-02-01;yes;form of 1 February;192.0.2.1
bob@example.net;;contract;;no;;
eve@example.net;acme.nothing;;;;;
"the@@address";acme.offers;;;;;
example.net;acme.offers;;;;;
fay@example.net;acme.offers;whim;;;;
gus@example.net;acme.offers;;2999-01-01;;;
hal@example.net;acme.offers;;soon;;;
ida@example.net;acme.offers;;;perhaps;;
jon@example.net;acme.offers;;;yes;;
"""
STREAM, MAP = ("--stream", "acme.newsletter"), ("--map", "basis=Legal basis")


@pytest.fixture
def site(tmp_path: Path, set_up: Installation) -> Installation:
    """A site with a stream that requires consent."""
    config = deepcopy(SITE)
    config["streams"]["acme.offers"] = {"title": "Offers", "requires_consent": True}
    return Installation(tmp_path / "site", config).begin_as(set_up)


def grant(site: Installation, who: str = "ann@example.net", *more: str, code: int = 0) -> str:
    return site.run(
        "consent", "grant", who, "--stream", "acme.offers", "--evidence", "paper form", *more, code=code
    ).out


def offered(site: Installation, who: str = "ann@example.net", *, code: int) -> str:
    return site.run("check", who, "--stream", "acme.offers", code=code).out


def test_mail_that_requires_consent_goes_from_the_grant_to_the_withdrawal(site: Installation) -> None:
    """And again after another grant."""
    assert offered(site, code=1) == "acme.offers: reject (no-consent)\n"
    assert (
        grant(site, "Ann@Example.NET") == f"ann@example.net: acme.offers granted on {today()} by cli:alice (consent)\n"
    )
    assert offered(site, code=0) == "acme.offers: accept\n"
    done = site.run("consent", "withdraw", "ann@example.net", "--stream", "acme")
    assert done.out == f"ann@example.net: acme withdrawn on {today()} by cli:alice\n"
    assert offered(site, code=1) == f"acme.offers: reject (withdrawn in acme since {today()})\n"
    site.run("check", "ann@example.net", "--stream", "acme.security")


def test_a_withdrawal_stands_against_an_older_grant(site: Installation) -> None:
    """Exit code 1, and what stands."""
    site.run("consent", "withdraw", "ann@example.net", "--stream", "acme.offers", "--evidence", "called")
    done = site.run(
        "consent",
        "grant",
        "ann@example.net",
        "--stream",
        "acme.offers",
        "--evidence",
        "x",
        "--at",
        "2026-01-01",
        code=1,
    )
    assert "acme.offers withdrawn on" in done.out
    assert "a later withdrawal stands" in done.err
    offered(site, code=1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("grant", "a@example.net", "--stream", "acme", "--evidence", "x"), "unknown stream 'acme'"),
        (("grant", "a@example.net", "--stream", "acme.offers", "--evidence", " "), "a consent needs evidence"),
        (("grant", "example.net", "--stream", "acme.offers", "--evidence", "x"), "only a person can consent"),
        (("grant", "a@@example.net", "--stream", "acme.offers", "--evidence", "x"), "not the local part of an address"),
        (("grant", "a@b.c", "--stream", "acme.offers", "--evidence", "x", "--at", "soon"), "--at: 'soon' is no time"),
        (("grant", "a@b.c", "--stream", "acme.offers", "--evidence", "x", "--at", "2999-01-01"), "still to come"),
        (("withdraw", "a@example.net", "--stream", "nothing"), "unknown stream 'nothing'"),
        (("withdraw", "example.net", "--stream", "acme"), "only a person can consent"),
        (("request", "a@example.net", "--stream", "acme.offers"), "set intake.sender"),
        (("show", "example.net"), "only a person can consent"),
        (("import", "/nowhere.csv"), "No such file"),
        (("import", "-", "--map", "what=Email"), "write OURS=COLUMN"),
        (("import", "-", "--map", "ip=Nowhere"), "there is no column 'Nowhere'"),
        (("import", "-", "--stream", "acme"), "unknown stream 'acme'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_word_why(
    site: Installation, words: tuple[str, ...], message: str
) -> None:
    """Exit code 2, and nothing is recorded."""
    done = site.run("consent", *words, given=b"email,stream\na@example.net,acme.offers\n", code=2)
    assert message in done.err
    assert site.rows("SELECT * FROM consent") == []
    assert site.rows("SELECT * FROM ledger") == []


def test_what_is_recorded_is_shown_with_all_that_explains_it(site: Installation) -> None:
    """As text and as JSON; nothing for a stranger."""
    evidence = ("--form", "/register", "--ip", "192.0.2.7", "--message-id", "<1@x>", "--text-version", "v3")
    grant(site, "ann@example.net", "--confirmed", "--basis", "contract", "--at", "2026-02-01", *evidence)
    [row] = site.run("consent", "show", "ann@example.net", "--json").json
    assert row == {
        "subject": "ann@example.net",
        "stream": "acme.offers",
        "state": "granted",
        "basis": "contract",
        "at": "2026-02-01T00:00:00+00:00",
        "confirmed": True,
        "origin": "cli:alice",
        "batch": None,
    }
    line = "ann@example.net: acme.offers granted on 2026-02-01 by cli:alice (contract), confirmed"
    assert site.run("consent", "show", "ann@example.net").lines == [line]
    assert site.run("consent", "show", "bob@example.net", "--json", code=1).json == []
    explained = site.run("explain", "ann@example.net")
    assert f"  {line}" in explained.lines
    assert "grant ann@example.net: acme.offers by cli:alice: paper form" in explained.out
    [(data,)] = site.rows("SELECT data FROM ledger_evidence")
    assert json.loads(data).items() >= {"ip": "192.0.2.7", "form": "/register", "text_version": "v3"}.items()


def test_a_site_that_stores_no_addresses_has_none_in_its_consents(site: Installation) -> None:
    """Nor in the evidence."""
    site.configure(**SITE["streams"] and {**SITE, "privacy": {"store_addresses": False}})
    site.run("consent", "grant", "ann@example.net", "--stream", "acme.newsletter", "--evidence", "form")
    assert site.rows("SELECT address FROM consent") == [(None,)]
    assert "ann@" not in str(site.rows("SELECT data FROM ledger_evidence"))


def test_the_good_rows_of_a_file_go_in_and_the_bad_ones_are_told_with_their_line(site: Installation) -> None:
    """And written down, to be mended."""
    file, rejects = site.file("in.csv", MIXED), site.directory / "bad.csv"
    done = site.run("consent", "import", file, *STREAM, *MAP, "--rejects", rejects, code=1)
    assert "2 new, 0 known, 8 bad of 10 rows, batch" in done.out
    for line, cause in {
        4: "stream: unknown stream 'acme.nothing'",
        5: "email: 'the@' is not the local part",
        6: "email: 'example.net' is no address: only a person can consent",
        7: "basis: unknown basis 'whim'",
        8: "at: 2999-01-01 00:00 UTC is still to come",
        9: "at: 'soon' is no date",
        10: "confirmed: 'perhaps' is neither yes nor no",
        11: "confirmed: confirmed, but without evidence",
    }.items():
        assert f"{file}:{line}: {cause}" in done.err
    assert len(rejects.read_text().splitlines()) == 9
    query = "SELECT address, stream, basis, confirmed, batch IS NULL FROM consent ORDER BY 1"
    assert site.rows(query) == [
        ("ann@example.net", "acme.offers", "consent", 1, 0),
        ("bob@example.net", "acme.newsletter", "contract", 0, 0),
    ]
    offered(site, code=0)


def test_the_same_file_again_changes_nothing_and_a_dry_run_never_does(site: Installation) -> None:
    """Whatever happened in between."""
    file = site.file("in.csv", MIXED)
    dry = site.run("consent", "import", file, *STREAM, *MAP, "--dry-run", code=1)
    assert "2 new, 0 known, 8 bad of 10 rows (dry run, nothing changed)" in dry.out
    assert site.rows("SELECT * FROM consent") == site.rows("SELECT * FROM import_batch") == []
    site.run("consent", "import", file, *STREAM, *MAP, code=1)
    site.run("consent", "withdraw", "ann@example.net", "--stream", "acme.offers")
    again = site.run("consent", "import", file, *STREAM, *MAP)
    assert "imported already on" in again.out
    offered(site, code=1)


def test_an_import_of_consents_is_not_undone_as_one_of_opt_outs(site: Installation) -> None:
    """Nobody is led to believe that the consents are gone."""
    done = site.run("consent", "import", "-", *STREAM, "--json", given=b"email\nann@example.net\n")
    refused = site.run("undo", done.json[0]["batch"], code=2)
    assert "is an import of consents" in refused.err
    assert site.rows("SELECT state FROM consent") == [("granted",)]
    assert site.rows("SELECT undone FROM import_batch") == [(None,)]


def test_a_list_without_evidence_brings_nobody_back(site: Installation) -> None:
    """The export of another system, loaded after the person withdrew."""
    site.run("consent", "withdraw", "ann@example.net", "--stream", "acme.offers")
    done = site.run(
        "consent",
        "import",
        "-",
        "--stream",
        "acme.offers",
        "--json",
        given=b"email\nann@example.net\nbob@example.net\n",
    )
    assert [(report["new"], report["known"]) for report in done.json] == [(1, 1)]
    offered(site, code=1)
    offered(site, "bob@example.net", code=0)


def test_json_lines_are_read_with_keys_that_only_some_have(site: Installation) -> None:
    """As other systems write them."""
    rows = [
        {"email": "ann@example.net"},
        {"email": "bob@example.net", "stream": "acme.offers", "confirmed": True, "evidence": "mail", "at": 1767225600},
        {"mail": "x"},
        {"email": "eve@example.net", "basis": "legitimate interest", "form": "/f", "ip": None},
    ]
    text = "\n".join(map(json.dumps, rows)) + "\nnothing\n"
    done = site.run("consent", "import", "-", *STREAM, given=text.encode(), code=1)
    assert "3 new, 0 known, 2 bad of 5 rows" in done.out or "2 new" in done.out, done
    query = "SELECT address, stream, basis, at = 1767225600, confirmed FROM consent ORDER BY 1"
    found = site.rows(query)
    assert found[1] == ("bob@example.net", "acme.offers", "consent", 1, 1)
    assert ("eve@example.net", "acme.newsletter", "legitimate-interest", 0, 0) in found


def test_too_many_bad_rows_end_an_import_that_goes_on_later(site: Installation) -> None:
    """The same command again completes it."""
    file = site.file("in.csv", MIXED)
    stopped = site.run("consent", "import", file, *STREAM, *MAP, "--max-errors", "2", code=1)
    assert "stopped after too many bad rows" in stopped.out
    assert "2 new" in site.run("consent", "import", file, *STREAM, *MAP, code=1).out


def test_everybody_who_asks_gets_the_same_answer(site: Installation) -> None:
    """`check`, `explain`, `trace` and what the API asks, for every kind of person."""
    grant(site, "ann@example.net")
    grant(site, "bob@example.net", "--confirmed", "--at", yesterday())
    site.run("import", "-", given=b"email,reason,date\nbob@example.net,unsubscribe,2026-02-01\n")
    site.run("consent", "withdraw", "eve@example.net", "--stream", "acme")
    letter = site.file("letter.eml", "X-Consent-Stream: acme.newsletter\n\nhello\n")
    for who in ("ann@example.net", "bob@example.net", "eve@example.net", "fay@example.net"):
        checked = site.run("check", who, "--json", code=None).json["streams"]
        assert site.run("explain", who, "--json").json["streams"] == checked
        verdicts = {each["stream"]: each["verdict"] for each in checked}
        assert verdicts == asyncio.run(asked(site, who))
        traced = site.run(
            "trace", letter, "--from", "n@acme.example", "--to", who, "--login", "newsletter", "--json", code=None
        )
        assert [each["verdict"] for each in traced.json["recipients"]] == [verdicts["acme.newsletter"]]
    [outdone] = [
        each for each in site.run("check", "bob@example.net", "--json", code=1).json["streams"] if each["opted_in"]
    ]
    assert (outdone["stream"], outdone["verdict"], outdone["reason"]) == ("acme.offers", "accept", "unsubscribe")


async def asked(site: Installation, who: str) -> dict[str, str]:
    """What the API would be told of each stream."""
    command = Command(site.config_file)
    streams = command.streams(None)
    async with Store.open(command.config.store.url, command.ring.checks()) as store:
        answer = await ask(store, command.ring, command.site.foldings, who, streams, datetime.now(UTC))
    return {each.name: decision.verdict for each, decision in zip(streams, answer.decisions, strict=True)}


def today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def yesterday() -> str:
    return f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
