"""`consentmilter explain --at`: what the list said at a time that is past."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consentmilter.model import Assertion, Mode, Reason
from consentmilter.service.keyfile import read_keys
from consentmilter.service.suppressions import Actor, assert_one, lift
from consentmilter.store.journal import Journal, JournalRow
from consentmilter.store.writer import Store
from consentmilter.subjects import subject_named
from tests.cli.installation import Installation

ALICE = Actor("alice", "cli")
MARCH, APRIL = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 4, 1, 12, tzinfo=UTC)


def key(site: Installation) -> bytes:
    return subject_named("a@x.example", read_keys(site.keys), {}).key


def on(site: Installation, work: Callable[[Store], Coroutine[Any, Any, object]]) -> None:
    """Do something to the site's list, with a clock of one's own."""

    async def run() -> None:
        async with Store.open(f"sqlite:///{site.store}", read_keys(site.keys).checks()) as store:
            await work(store)

    asyncio.run(run())


@pytest.fixture
def past(site: Installation) -> Installation:
    """A site where somebody opted out in March, and had that lifted in April."""

    async def work(store: Store) -> None:
        said = Assertion(key(site), "a@x.example", "acme.newsletter", Reason.UNSUBSCRIBE, evidence="form 7")
        await assert_one(store, said, ALICE, now=lambda: MARCH)
        await lift(store, key(site), evidence="ticket 4711", actor=ALICE, now=lambda: APRIL)

    on(site, work)
    return site


def journalled(site: Installation, *rows: JournalRow) -> None:
    journal = Journal(f"sqlite:///{site.journal}", on_trouble=pytest.fail)
    for row in rows:
        journal.put(row)
    journal.close(10)


@pytest.mark.parametrize(
    ("at", "verdict", "entries"),
    [
        ("2026-02-28", "accept", 0),
        ("2026-03-01T11:59:59Z", "accept", 0),
        ("2026-03-01T12:00:00Z", "reject", 1),
        ("2026-03-01", "reject", 1),
        ("2026-04-01T13:59:59+02:00", "reject", 1),
        ("2026-04-01T12:00:00Z", "accept", 2),
        ("2026-05-01", "accept", 2),
    ],
)
def test_the_list_is_told_as_it_was(past: Installation, at: str, verdict: str, entries: int) -> None:
    """To the second; a day counts to its end."""
    data = past.run("explain", "a@x.example", "--at", at, "--stream", "acme.newsletter", "--json").json
    assert [each["verdict"] for each in data["streams"]] == [verdict]
    assert len(data["suppressions"]) == (verdict == "reject")
    assert [each["evidence"] for each in data["ledger"]] == ["form 7", "ticket 4711"][:entries]


def test_one_stream_can_be_asked_for_without_a_time(past: Installation) -> None:
    """As with check."""
    data = past.run("explain", "a@x.example", "--stream", "acme.security", "--json").json
    assert ([each["stream"] for each in data["streams"]], data["at"], data["notes"]) == (["acme.security"], None, [])


def test_mail_around_that_time_is_told(past: Installation) -> None:
    """What was refused, observed and bypassed within a day, of that person, and of no other stream if one is named."""
    row = JournalRow(MARCH, "r-1", "reject", Mode.ENFORCE, "unsubscribe", stream="acme.newsletter", subject=key(past))
    security = JournalRow(
        MARCH + timedelta(hours=2), "r-2", "accept", Mode.ENFORCE, "unsubscribe",
        stream="acme.security", subject=key(past), detail="bypassed",
    )  # fmt: skip
    other = JournalRow(MARCH, "r-3", "reject", Mode.ENFORCE, subject=b"x" * 16)
    late = JournalRow(MARCH + timedelta(days=3), "r-4", "reject", Mode.ENFORCE, subject=key(past))
    journalled(past, JournalRow(MARCH - timedelta(days=9), "r-0", "reject", Mode.ENFORCE), row, security, other, late)
    ask = ["explain", "a@x.example", "--at", "2026-03-01T12:30Z"]
    assert [each["ref"] for each in past.run(*ask, "--json").json["mail"]] == ["r-1", "r-2"]
    assert [each["ref"] for each in past.run(*ask, "--stream", "acme.security", "--json").json["mail"]] == ["r-2"]
    lines = past.run(*ask).lines
    assert lines[0].endswith(", as of 2026-03-01 12:30:00 UTC")
    assert "  2026-03-01 12:00:00 UTC acme.newsletter: reject (reason unsubscribe, ref r-1)" in lines
    assert "  2026-03-01 14:00:00 UTC acme.security: accept (reason unsubscribe, detail bypassed, ref r-2)" in lines
    assert any(line.startswith("note: a plain accept is not journalled") for line in lines)
    assert not any("nothing is known" in line for line in lines)


def test_what_is_not_known_any_more_is_said(past: Installation) -> None:
    """An empty or younger journal, and erased fields."""
    ask = ["explain", "a@x.example", "--at", "2026-03-02", "--json"]
    assert "the journal is empty: of what was before, nothing is known" in past.run(*ask).json["notes"]
    journalled(past, JournalRow(APRIL, "r-1", "reject", Mode.ENFORCE))
    assert (
        "the journal begins on 2026-04-01 12:00 UTC: of what was before, nothing is known"
        in (past.run(*ask).json["notes"])
    )
    past.run("subject", "erase", "a@x.example", "--evidence", "asked")
    data = past.run(*ask).json
    assert any("were erased since" in note for note in data["notes"])
    assert (data["streams"][2]["verdict"], data["ledger"][0]["evidence"]) == ("reject", None)


def test_what_an_import_made_stands_from_then_on(site: Installation) -> None:
    """Not before, however old the opt-out in the file is."""
    site.run("import", site.file("old.csv", "email,date\na@x.example,2020-01-01\n"))
    [[imported]] = site.rows("SELECT at FROM ledger")
    before, then = (datetime.fromtimestamp(imported + seconds, UTC).isoformat() for seconds in (-1, 0))
    assert site.run("explain", "a@x.example", "--at", before, "--json").json["suppressions"] == []
    data = site.run("explain", "a@x.example", "--at", then, "--json").json
    assert data["suppressions"][0]["since"].startswith("2020-01-01")
    assert data["imports"][0]["file"].endswith("old.csv")


@pytest.mark.parametrize("at", ["then", "2026-13-01", "2999-01-01", "2999-01-01T00:00Z", "", "0001-01-01T00:00+14:00"])
def test_what_is_no_time_of_the_past_is_refused(site: Installation, at: str) -> None:
    """In a sentence."""
    done = site.run("explain", "a@x.example", "--at", at, code=2)
    assert done.err.startswith("error: --at: ")


def test_today_counts_to_now(site: Installation) -> None:
    """Its end is still to come."""
    site.run("add", "a@x.example")
    data = site.run("explain", "a@x.example", "--at", f"{datetime.now(UTC):%Y-%m-%d}", "--json").json
    assert len(data["suppressions"]) == 1
