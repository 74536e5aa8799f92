"""`consentmilter report` and `stats`: what would have been refused, who used which exemption, all in numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consentmilter.cli.output import printable
from consentmilter.model import Mode
from consentmilter.service.keyfile import read_keys
from consentmilter.store.exemptions import ExemptionBook, Use, day_of
from consentmilter.store.journal import Journal, JournalRow
from tests.cli.installation import SITE, Installation
from tests.docs.pages import codes, page, table

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = day_of(NOON)


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    """A site that nothing has happened on yet."""
    site = Installation(tmp_path)
    site.run("init")
    return site


@contextmanager
def journal(site: Installation) -> Iterator[Journal]:
    """The journal of a site, as the milter writes it; all is written in the end."""
    opened = Journal(f"sqlite:///{site.journal}", pytest.fail)
    try:
        yield opened
    finally:
        opened.close(10)


def row(minutes: int, verdict: str, reason: str | None, stream: str | None, **fields: Any) -> JournalRow:
    """A verdict so many minutes after noon."""
    person = fields.pop("person", 1).to_bytes(16)
    mode = Mode.OBSERVE if verdict.startswith("would-") else Mode.ENFORCE
    at = NOON + timedelta(minutes=minutes)
    return JournalRow(at, f"r{minutes}", verdict, mode, reason, stream=stream, subject=person, **fields)


def observed(site: Installation) -> None:
    """Three refusals for one stream, to two people, and one each for another and for none."""
    with journal(site) as opened:
        for each in (
            row(0, "would-reject", "unsubscribe", "acme.newsletter", person=1),
            row(5, "would-reject", "unsubscribe", "acme.newsletter", person=2),
            row(9, "would-defer", "store", "acme.newsletter", person=2),
            row(1, "would-reject", "imported", "acme.events"),
            row(2, "would-reject", "no-stream", None),
            row(3, "reject", "complaint", "acme.newsletter"),
            row(4, "accept", "unsubscribe", "acme.security", detail="bypassed"),
        ):
            opened.put(each)


def test_the_streams_with_the_most_that_would_have_been_refused_stand_first(site: Installation) -> None:
    """With people, first and last; what was refused indeed is no part of it."""
    observed(site)
    assert site.run("report").out == (
        "acme.newsletter: 3 to 2 people, first 2026-03-01 12:00 UTC, last 2026-03-01 12:09 UTC\n"
        "  would-reject unsubscribe: 2\n"
        "  would-defer store: 1\n"
        "no stream: 1 to 1 person, first 2026-03-01 12:02 UTC, last 2026-03-01 12:02 UTC\n"
        "  would-reject no-stream: 1\n"
        "acme.events: 1 to 1 person, first 2026-03-01 12:01 UTC, last 2026-03-01 12:01 UTC\n"
        "  would-reject imported: 1\n"
    )
    first = site.run("report", "observed", "--json").json[0]
    assert first == {
        "stream": "acme.newsletter",
        "count": 3,
        "people": 2,
        "first": "2026-03-01T12:00:00+00:00",
        "last": "2026-03-01T12:09:00+00:00",
        "verdicts": [
            {"verdict": "would-reject", "reason": "unsubscribe", "count": 2},
            {"verdict": "would-defer", "reason": "store", "count": 1},
        ],
    }


def test_a_report_can_begin_later(site: Installation) -> None:
    """At a time, or so long ago."""
    observed(site)
    assert site.run("report", "--since", "2026-03-01T12:09:00").lines[0].startswith("acme.newsletter: 1 to 1 person")
    assert site.run("report", "--since", "2026-03-01T13:09:00+01:00").lines[0].startswith("acme.newsletter: 1 to")
    assert site.run("report", "--since", "2030-01-01").out == "nothing would have been refused\n"
    assert site.run("report", "--since", "2030-01-01", "--json").json == []
    with journal(site) as opened:
        opened.put(JournalRow(datetime.now(UTC), "now", "would-reject", Mode.OBSERVE, "legal", stream="acme.events"))
    assert len(site.run("report", "--since", "2d", "--json").json) == 1


@pytest.mark.parametrize("text", ["yesterday", "7w", "2026-13-01", "9999999d", ""])
def test_a_time_that_is_none_is_refused(site: Installation, text: str) -> None:
    """With what would do."""
    for command in ("report", "stats"):
        done = site.run(command, "--since", text, code=2)
        assert done.err == f"error: --since: {text!r} is no time (write 2026-02-01, 2026-02-01T12:30:00Z, 12h or 7d)\n"


def use(site: Installation) -> None:
    """Two principals that sent exempt mail, one of them past opt-outs, without the store, and beyond its cap."""
    book = ExemptionBook(f"sqlite:///{site.store}", read_keys(site.keys).checks())
    book.count({Use(DAY, "security-patch", "release-bot"): 40, Use(DAY + 1, "security-patch", "release-bot"): 2})
    book.count({Use(DAY, "licence", "192.0.2.7"): 1})
    book.lease(DAY, "rule", 10, 100)
    book.close()
    by_bot = {"login": "release-bot", "client": "192.0.2.1", "category": "security-patch", "stream": "acme.security"}
    with journal(site) as opened:
        for each in (
            row(0, "accept", "unsubscribe", detail="bypassed", **by_bot),
            row(1, "accept", "unsubscribe", detail="bypassed", **by_bot),
            row(2, "accept", "complaint", detail="bypassed", **by_bot),
            row(3, "accept", "store", **by_bot),
            row(4, "defer", "over-limit", **by_bot),
            row(5, "accept", "unsubscribe", "acme.security", detail="bypassed", client="127.0.0.1", listener="behind"),
        ):
            opened.put(each)


def test_the_report_of_exemptions_says_who_bypassed_what_and_how_often(site: Installation) -> None:
    """By category and principal, with the reasons; leases are no mail."""
    site.configure(**{**SITE, "loop": {"first": ["front"], "second": "behind"}})
    use(site)
    assert site.run("report", "exemptions").out == (
        "licence by 192.0.2.7: 1 sent from 2026-03-01 to 2026-03-01\n"
        "security-patch by release-bot: 42 sent from 2026-03-01 to 2026-03-02\n"
        "  opt-outs bypassed: 3 (unsubscribe 2, complaint 1)\n"
        "  sent while the list could not be asked: 1\n"
        "  over the limit: 1\n"
    )
    [_, bot] = site.run("report", "exemptions", "--json").json
    assert bot == {
        "category": "security-patch",
        "principal": "release-bot",
        "used": 42,
        "first": "2026-03-01",
        "last": "2026-03-02",
        "bypassed": 3,
        "reasons": {"unsubscribe": 2, "complaint": 1},
        "unverified": 1,
        "over_limit": 1,
    }
    [later] = site.run("report", "exemptions", "--since", "2026-03-02", "--json").json
    assert (later["used"], later["bypassed"]) == (2, 0)


def test_a_principal_that_only_the_journal_knows_is_told_of(site: Installation) -> None:
    """Its counts may not be written yet, or were lost with a killed worker."""
    with journal(site) as opened:
        opened.put(row(0, "accept", "manual", "acme.security", detail="bypassed", login="\x1b[2J", category="licence"))
    assert site.run("report", "exemptions").out == (
        f"licence by {printable(chr(27))}[2J: 0 sent\n  opt-outs bypassed: 1 (manual 1)\n"
    )


def test_a_site_that_used_no_exemption_hears_so(site: Installation) -> None:
    """In words, and as an empty list."""
    assert site.run("report", "exemptions").out == "no exemption was used\n"
    assert site.run("report", "exemptions", "--json").json == []


def test_statistics_count_by_day_stream_verdict_and_reason(site: Installation) -> None:
    """In columns, or as a list."""
    observed(site)
    with journal(site) as opened:
        opened.put(row(24 * 60, "reject", "complaint", "acme.newsletter"))
    assert site.run("stats").out == (
        "from        stream           verdict       reason       count\n"
        "2026-03-01  -                would-reject  no-stream        1\n"
        "2026-03-01  acme.events      would-reject  imported         1\n"
        "2026-03-01  acme.newsletter  reject        complaint        1\n"
        "2026-03-01  acme.newsletter  would-defer   store            1\n"
        "2026-03-01  acme.newsletter  would-reject  unsubscribe      2\n"
        "2026-03-01  acme.security    accept        unsubscribe      1\n"
        "2026-03-02  acme.newsletter  reject        complaint        1\n"
    )
    assert site.run("stats", "--json").json[-1] == {
        "from": "2026-03-02T00:00:00+00:00",
        "stream": "acme.newsletter",
        "verdict": "reject",
        "reason": "complaint",
        "count": 1,
    }


def test_statistics_can_be_by_the_hour_and_of_one_stream(tmp_path: Path) -> None:
    """A stream that there is not is an error."""
    site = Installation(tmp_path, {**SITE, "streams": {**SITE["streams"], "acme.events": {}}})
    site.run("init")
    observed(site)
    with journal(site) as opened:
        opened.put(row(70, "would-reject", "imported", "acme.events"))
    assert site.run("stats", "--by", "hour", "--stream", "acme.events").lines[1:] == [
        "2026-03-01 12:00  acme.events  would-reject  imported      1",
        "2026-03-01 13:00  acme.events  would-reject  imported      1",
    ]
    assert "did you mean acme.events?" in site.run("stats", "--stream", "acme.event", code=2).err


def test_statistics_name_nobody(site: Installation) -> None:
    """Neither a person nor a principal."""
    use(site)
    rows = site.run("stats", "--json").json
    assert {key for each in rows for key in each} == {"from", "stream", "verdict", "reason", "count"}
    assert "release-bot" not in site.run("stats").out


def test_a_journal_that_is_not_there_is_an_error(site: Installation) -> None:
    """No empty report is made of it."""
    site.journal.unlink()
    for words in (["report"], ["report", "exemptions"], ["stats"]):
        assert site.run(*words, code=3).err.startswith("error: ")


def test_the_keys_of_each_report_are_documented_and_no_others(site: Installation) -> None:
    """On the page of the commands."""
    observed(site)
    use(site)
    text = page("commands.md")
    printed = {
        "key of `report observed --json`": site.run("report", "--json").json[0],
        "key of a verdict": site.run("report", "--json").json[0]["verdicts"][0],
        "key of `report exemptions --json`": site.run("report", "exemptions", "--json").json[0],
        "key of `stats --json`": site.run("stats", "--json").json[0],
    }
    for heading, data in printed.items():
        assert [name for name, _ in table(text, heading, "meaning") for name in codes(name)] == list(data), heading
