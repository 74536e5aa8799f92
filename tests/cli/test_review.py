"""`consentmilter review`: what waits, and what is decided about it."""

import asyncio
from datetime import UTC, datetime

import pytest

from consentmilter.service import reviewing
from consentmilter.service.keyfile import read_keys
from consentmilter.store.reviews import Review
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named
from tests.cli.installation import Installation
from tests.docs.pages import code, page, table

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WORDS = "How do I unsubscribe my colleague?\n\nShe left \x1b[31mus."


def keep(site: Installation, *items: Review) -> None:
    """Put mail to review into the store, as the intake does."""

    async def job() -> None:
        async with Store.open(f"sqlite:///{site.store}", read_keys(site.keys).checks()) as store:
            for item in items:
                await reviewing.keep(store, item)

    asyncio.run(job())


def item(
    site: Installation, item_id: str = "0a1b2c3d", words: str | None = WORDS, address: str = "ann@example.org"
) -> Review:
    key = subject_named(address, read_keys(site.keys), {}).key
    return Review(item_id, NOON, "unclear", "acme", key, address, words)


def test_the_list_shows_what_waits(site: Installation) -> None:
    """One line each, the oldest first, and nothing that could play tricks on a terminal."""
    keep(site, item(site), item(site, "ffffffff", None, "bob@example.org"))
    first, second = site.run("review").lines
    assert first == (
        "0a1b2c3d  2026-03-01 12:00 UTC  unclear  ann@example.org about acme: "
        "How do I unsubscribe my colleague? She left \\x1b[31mus."
    )
    assert second == "ffffffff  2026-03-01 12:00 UTC  unclear  bob@example.org about acme: "


def test_nothing_waits(site: Installation) -> None:
    """Exit code 1, as where nothing is found."""
    assert site.run("review", code=1).out == ""
    assert site.run("review", "--json", code=1).json == []


def test_an_item_is_shown_whole(site: Installation) -> None:
    """With its lines."""
    keep(site, item(site))
    assert site.run("review", "0a1b2c3d").lines == [
        "0a1b2c3d  2026-03-01 12:00 UTC  unclear  ann@example.org about acme",
        "",
        "    How do I unsubscribe my colleague?",
        "",
        "    She left \\x1b[31mus.",
    ]
    shown = site.run("review", "0a1b2c3d", "--json").json
    assert (shown["words"], shown["scope"], shown["closed"]) == (WORDS, "acme", None)


@pytest.mark.parametrize(("options", "scope"), [([], "acme"), (["--scope", "acme.newsletter"], "acme.newsletter")])
def test_an_opt_out_suppresses_the_person_with_their_words_as_evidence(
    site: Installation, options: list[str], scope: str
) -> None:
    """In the scope of the address they wrote to, or the one that the operator names."""
    keep(site, item(site))
    assert "opted-out at" in site.run("review", "0a1b2c3d", "--opt-out", *options).out
    [(_, where, reason)] = site.rows()
    assert (where, reason) == (scope, "unsubscribe")
    [entry] = site.run("explain", "ann@example.org", "--json").json["ledger"]
    assert entry["evidence"] == f"review 0a1b2c3d: {WORDS}"
    assert entry["actor"] == "alice"
    assert site.rows("SELECT words, decision FROM review") == [(None, "opted-out")]
    assert site.run("review", code=1).out == ""


def test_a_closed_item_changes_nobody_and_its_words_are_forgotten(site: Installation) -> None:
    """Which stay readable for as long as nobody has decided."""
    keep(site, item(site))
    closed = site.run("review", "0a1b2c3d", "--close", "--json").json
    assert (closed["decision"], closed["words"]) == ("closed", None)
    assert site.rows() == []
    assert "closed at" in site.run("review", "0a1b2c3d").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["00000000"], "there is no mail 00000000 to review"),
        (["--close"], "which one?"),
        (["--opt-out"], "which one?"),
        (["0a1b2c3d", "--close", "--opt-out"], "decide for one of them"),
        (["0a1b2c3d", "--scope", "acme"], "--scope is for --opt-out"),
        (["0a1b2c3d", "--opt-out", "--scope", "acme.nothing"], "unknown scope"),
    ],
)
def test_wrong_usage_is_said_and_changes_nothing(site: Installation, words: list[str], said: str) -> None:
    """Exit code 2."""
    keep(site, item(site))
    assert said in site.run("review", *words, code=2).err
    assert site.rows("SELECT decision FROM review") == [(None,)]
    assert site.rows() == []


@pytest.mark.parametrize("first", ["--opt-out", "--close"])
@pytest.mark.parametrize("second", ["--opt-out", "--close"])
def test_what_was_decided_is_not_decided_again(site: Installation, first: str, second: str) -> None:
    """Two operators looked at the same list."""
    keep(site, item(site))
    site.run("review", "0a1b2c3d", first)
    rows = site.rows()
    assert "was decided at" in site.run("review", "0a1b2c3d", second, code=2).err
    assert site.rows() == rows


def test_words_beyond_the_limit_are_cut(site: Installation) -> None:
    """2000 characters are enough to decide; without an address the key stands for the person."""
    long = item(site, words="x" * 5000)
    keep(site, Review(long.id, long.at, long.kind, long.scope, long.subject, None, long.words))
    assert len(site.run("review", long.id, "--json").json["words"]) == 2000
    [line] = site.run("review").lines
    assert line.endswith(f"  {long.subject.hex()} about acme: {'x' * 60}...")


def test_the_keys_of_json_are_documented_and_no_others(site: Installation) -> None:
    """Of one mail as of the list."""
    keep(site, item(site))
    documented = [code(row[0]) for row in table(page("commands.md"), "key of `review --json`", "meaning")]
    assert (
        documented == list(site.run("review", "--json").json[0]) == list(site.run("review", "0a1b2c3d", "--json").json)
    )
