"""docs/log.md against the source: every event with its level and fields, both ways."""

from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from consentmilter.model import Reason
from consentmilter.policy.consents import Lack
from consentmilter.policy.mail import Principal
from consentmilter.policy.objections import Objection
from consentmilter.policy.settle import Pass
from consentmilter.service.desk import Record
from consentmilter.service.recorder import Recorder
from consentmilter.store.journal import JournalRow
from tests.docs.log_events import Event, UnknownEventError, find_events
from tests.docs.pages import ROOT, code, codes, page, table, tables

PAGE = page("log.md")
HEADING = ["event", "level", "fields", "when"]
ROWS = {code(row[0]): row for rows in tables(PAGE) if rows[0] == HEADING for row in rows[1:]}
DECISION_FIELDS = [code(row[0]) for row in table(PAGE, "field of `decision`", "meaning")]

FULL = Record(
    ref="42ce4dab62",
    queue_id="4WxYz",
    principal=Principal("newsletter", ip_address("192.0.2.1"), "campaigns"),
    sender="<news@acme.example>",
    recipient="<reader@example.net>",
    subject=b"s" * 16,
    verdict="would-reject",
    reason=Reason.UNSUBSCRIBE,
    bypassed=True,
    opted_in=True,
    scope="acme",
    stream="acme.newsletter",
    category="marketing",
    rule=1,
    right="login",
    false_claim="acme.security",
    stage=Pass.FIRST,
)


@cache
def events() -> dict[str, Event]:
    """Those of the source; to look through all of it takes seconds, which no other test shall wait for."""
    return find_events(sorted((ROOT / "src").rglob("*.py")))


def test_every_event_of_the_source_is_documented_and_no_other() -> None:
    """Whoever adds, renames or removes an event has the page to change."""
    assert sorted(ROWS) == sorted(events())


@pytest.mark.parametrize("name", sorted(ROWS))
def test_an_event_is_documented_as_it_is_logged(name: str) -> None:
    """Its level is one that it can have, and its fields are the ones that the source names."""
    _, level, documented, when = ROWS[name]
    event = events()[name]
    levels = set(level.split(", "))
    assert when
    assert levels <= event.levels
    if name != "decision":
        assert set(codes(documented)) == event.fields


def test_a_decision_has_the_documented_fields() -> None:
    """All of them where there is everything to say and addresses are wanted, besides those of every event."""
    rows: list[JournalRow] = []
    with capture_logs() as logged:
        Recorder(rows.append, lambda: datetime(2026, 3, 14, tzinfo=UTC), addresses=True).record(FULL)
    [event] = logged
    assert set(event) - {"event", "log_level"} == set(DECISION_FIELDS)
    assert len(rows) == 1


def test_a_decision_names_nobody_unless_the_site_asks_for_it() -> None:
    """Neither in the log nor in the journal; the last two documented fields are the addresses."""
    rows: list[JournalRow] = []
    with capture_logs() as logged:
        Recorder(rows.append, lambda: datetime(2026, 3, 14, tzinfo=UTC), addresses=False).record(FULL)
    assert "example" not in f"{logged} {rows}"
    assert DECISION_FIELDS[-2:] == ["sender", "recipient"]


def test_every_reason_of_a_decision_is_documented_and_no_other() -> None:
    """Those of suppressions, of objections, and those that the program gives of itself."""
    documented = [reason for row in table(PAGE, "reason", "means") for reason in codes(row[0])]
    assert sorted(documented) == sorted([*Reason, *Lack, *Objection, "mixed", "store", "over-limit"])


def test_every_column_of_the_journal_is_documented_and_no_other() -> None:
    """As the journal gives its rows out."""
    documented = [column for row in table(PAGE, "column", "meaning") for column in codes(row[0])]
    assert sorted(documented) == sorted(field.name for field in fields(JournalRow))


def test_the_search_finds_events_however_they_are_logged(tmp_path: Path) -> None:
    """By a method, a local name for two of them, and a function that takes the event's name."""
    module = tmp_path / "module.py"
    module.write_text(
        "def plain(self):\n    self._log.info('one', a=1)\n"
        "def either(self):\n    tell = log.debug if x else log.get().warning\n    tell('two')\n"
        "def notice(event, **fields):\n    _log.error(event, c=3, **fields)\n"
        "def uses(desk):\n    about = {'d': 4}\n    desk.notice('three', b=2, **about)\n"
        "    desk.notice('three', **({'e': 5} if x else {'f': 6}))\n"
    )
    assert find_events([module]) == {
        "one": Event("one", {"info"}, {"a"}),
        "two": Event("two", {"debug", "warning"}),
        "three": Event("three", {"error"}, {"b", "c", "d", "e", "f"}),
    }


@pytest.mark.parametrize("call", ["_log.info(name_of(x))", "_log.info(event='x')"])
def test_an_event_that_cannot_be_told_from_the_source_is_an_error(tmp_path: Path, call: str) -> None:
    """So that none escapes the page."""
    module = tmp_path / "module.py"
    module.write_text(f"def function():\n    {call}\n")
    with pytest.raises(UnknownEventError):
        find_events([module])
