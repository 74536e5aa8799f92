"""The journal in numbers, the same from every kind of store."""

from datetime import timedelta

import pytest

from consentmilter.model import Mode, Verdict
from consentmilter.store import tallies
from consentmilter.store.journal import Journal, JournalRow
from consentmilter.store.tallies import Tally
from tests.service.people import databases
from tests.store.stores import both_stores
from tests.store.support import NOON, person

HOUR = timedelta(hours=1)
LATER = NOON + HOUR

ROWS = [
    JournalRow(NOON, "1", "would-reject", Mode.OBSERVE, stream="acme.news", subject=person(1)),
    JournalRow(LATER, "2", "would-reject", Mode.OBSERVE, stream="acme.news", subject=person(1)),
    JournalRow(NOON, "3", "would-reject", Mode.OBSERVE, subject=person(2)),
    JournalRow(NOON, "4", Verdict.REJECT, Mode.ENFORCE, stream="acme.news", reason="unsubscribe", subject=person(3)),
    JournalRow(
        NOON, "5", Verdict.ACCEPT, Mode.ENFORCE, category="security-patch", login="bot", reason="unsubscribe",
        subject=person(4), detail="bypassed", listener="submission",
    ),
    JournalRow(
        NOON, "5", Verdict.ACCEPT, Mode.ENFORCE, category="security-patch", client="127.0.0.1", reason="unsubscribe",
        subject=person(4), detail="bypassed", listener="second",
    ),
    JournalRow(NOON, "6", Verdict.ACCEPT, Mode.ENFORCE, category="licence", client="192.0.2.1", reason="store"),
    JournalRow(LATER, "7", Verdict.DEFER, Mode.ENFORCE, category="licence", login="shop", reason="over-limit"),
]  # fmt: skip


@pytest.fixture
def journal(url: str) -> str:
    """The URL of a journal with these rows."""
    site, told = databases(url), list[str]()
    journal = Journal(site.journal, told.append)
    for row in ROWS:
        journal.put(row)
    journal.close(10)
    assert told == []
    return site.journal


@both_stores
def test_what_would_have_been_refused_is_counted_by_whatever_is_asked_for(journal: str) -> None:
    """Mail and people; what has no value comes first."""
    assert tallies.would_be(journal, None, ["stream", "verdict"]) == [
        Tally((None, "would-reject"), 1, 1, NOON, NOON),
        Tally(("acme.news", "would-reject"), 2, 1, NOON, LATER),
    ]
    assert tallies.would_be(journal, LATER, ["stream"]) == [Tally(("acme.news",), 1, 1, LATER, LATER)]


@both_stores
def test_the_use_of_exempt_categories_is_counted_by_who_it_was(journal: str) -> None:
    """Once where mail passes the loop; by login, client or listener."""
    bypassed = Tally(("security-patch", "bot", "unsubscribe"), 1, 1, NOON, NOON)
    assert tallies.bypassed(journal, None, "second") == [bypassed]
    assert len(tallies.bypassed(journal, None, None)) == 2
    assert tallies.unverified(journal, None, "second") == [Tally(("licence", "192.0.2.1"), 1, 0, NOON, NOON)]
    assert tallies.over_limit(journal, None) == [Tally(("licence", "shop"), 1, 0, LATER, LATER)]


@both_stores
def test_everything_is_counted_by_spans_of_time(journal: str) -> None:
    """Of a stream, or of all."""
    assert tallies.by_time(journal, NOON, 3600, "acme.news") == [
        Tally((NOON, "acme.news", "reject", "unsubscribe"), 1, 1, NOON, NOON),
        Tally((NOON, "acme.news", "would-reject", None), 1, 1, NOON, NOON),
        Tally((LATER, "acme.news", "would-reject", None), 1, 1, LATER, LATER),
    ]
    every = tallies.by_time(journal, None, 86400, None)
    assert sum(tally.count for tally in every) == len(ROWS)
    assert {tally.values[0] for tally in every} == {NOON - 12 * HOUR}
