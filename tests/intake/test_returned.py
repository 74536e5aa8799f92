"""Bounces and complaints: what they suppress, and what they never do."""

import re
from datetime import timedelta

import pytest

from consentmilter.tokens import Purpose
from tests.intake.conftest import Start
from tests.intake.lmtp import Lmtp
from tests.intake.site import NOON, Site, bounced, complained, letter
from tests.reports.mails import TOKEN, octets


def deliver(site: Site, content: bytes, recipient: str) -> None:
    """From nobody, as reports come."""
    with Lmtp(site.socket) as lmtp:
        lmtp.send(content, recipient, sender="")[0].expects(250)


def bounce_address(site: Site) -> str:
    return f"bounce+{site.token(purpose=Purpose.BOUNCE)}@example.com"


@pytest.mark.parametrize("status", ["5.1.1", "5.1.10", "5.2.1"])
def test_a_dead_mailbox_is_dead_for_everything_of_the_organisation(site: Site, status: str) -> None:
    """Who it is says the token in the address, not the report."""
    deliver(site, bounced(status), bounce_address(site))
    assert site.held() == [("acme", "hard_bounce", "bounce")]
    [(evidence,)] = site.rows("SELECT data ->> 'evidence' FROM ledger_evidence")
    assert evidence == f"delivery failed for good: {status}"


@pytest.mark.parametrize(
    "content",
    [
        bounced("5.7.1", diagnostic="smtp; 550 5.7.1 opted out of all marketing mail by unsubscribe"),
        bounced("5.7.26"),
        bounced("4.1.1", action="delayed"),
        bounced("2.0.0", action="delivered"),
        bounced("5.1.1", action="relayed"),
        letter(subject="Out of office", body="I am away.\r\n"),
        letter(subject="unsubscribe", body="unsubscribe\r\n"),
        complained("<mailto:someone@example.org>"),
    ],
    ids=["our-own-refusal", "policy", "delayed", "delivered", "relayed", "vacation", "person", "complaint"],
)
def test_nothing_else_at_a_bounce_address_suppresses(site: Site, content: bytes) -> None:
    """Refusals by policy, our own included, say nothing about the mailbox."""
    deliver(site, content, bounce_address(site))
    assert site.held() == []


@pytest.mark.parametrize("purpose", [Purpose.UNSUBSCRIBE, Purpose.CONFIRM, Purpose.UNDO])
def test_an_unsubscribe_link_is_no_bounce_address(site: Site, purpose: Purpose) -> None:
    """Nor is the address without a token, or with a damaged one."""
    token = site.token(purpose=purpose)
    bounce = site.token(purpose=Purpose.BOUNCE)
    with Lmtp(site.socket) as lmtp:
        lmtp.mail("").expects(250)
        for address in (f"bounce+{token}", "bounce", "bounce+x", f"bounce+{bounce[:-1]}", f"bounce-{bounce}"):
            lmtp.rcpt(f"{address}@example.com").expects(550, "5.1.1")
        lmtp.rcpt(f"bounce+{bounce}@example.org").expects(550)


def test_a_mailbox_that_is_full_for_days_is_dead(site: Site) -> None:
    """Days count, not messages, and only those within the window."""
    address = bounce_address(site)
    for day in (0, 1, 2, 3, 20, 21, 22, 23):
        site.clock.at = NOON + timedelta(days=day)
        for _ in range(3):
            deliver(site, bounced("5.2.2", diagnostic="smtp; 552 mailbox full"), address)
        assert site.held() == []
    site.clock.at = NOON + timedelta(days=24)
    deliver(site, bounced("5.2.2", diagnostic="smtp; 552 mailbox full"), address)
    assert site.held() == [("acme", "hard_bounce", "bounce")]
    assert site.rows("SELECT min(count), max(count), count(*) FROM soft_bounce") == [(1, 3, 5)]


def test_a_site_sets_its_own_patience(start: Start) -> None:
    """`intake.soft_bounces` days."""
    site = start(intake={"soft_bounces": 1})
    deliver(site, bounced("5.2.2"), bounce_address(site))
    assert site.held() == [("acme", "hard_bounce", "bounce")]


@pytest.mark.parametrize("address", ["unsub@example.com", "privacy@acme.example", "unsub@acme.example", None])
@pytest.mark.parametrize("kind", ["abuse", "opt-out"])
def test_a_complaint_is_about_the_organisation_whose_mail_it_was(site: Site, address: str | None, kind: str) -> None:
    """Known by our token in the message that it embeds, whatever address of ours the report comes to."""
    link = f"<https://u.example.com/u/{site.token()}>,\r\n <mailto:unsub+{site.token()}@example.com>"
    deliver(site, complained(link, kind=kind), address or bounce_address(site))
    assert site.held() == [("acme", "complaint", "complaint")]


PROVIDERS = ["yahoo", "outlook-jmrp", "aol-redacted", "comcast-headers-only", "validator-opt-out"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_complaints_in_the_shapes_of_providers_are_understood(site: Site, provider: str) -> None:
    """Redacted or not, with a report or without; the token in them is one of ours here."""
    report = octets(f"complaints/{provider}").decode("latin-1")
    ours = re.sub(TOKEN, site.token(), report, flags=re.IGNORECASE)
    assert ours != report
    deliver(site, ours.encode("latin-1"), "unsub@example.com")
    assert site.held() == [("acme", "complaint", "complaint")]


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", "other"])
def test_feedback_that_is_no_complaint_suppresses_nobody(site: Site, kind: str) -> None:
    """RFC 6430, RFC 6591."""
    deliver(site, complained(f"<https://u.example.com/u/{site.token()}>", kind=kind), "unsub@example.com")
    assert site.held() == []


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.UNDO])
def test_a_complaint_is_proven_by_the_link_of_a_mail_only(site: Site, purpose: Purpose) -> None:
    """A token for another purpose never stood in a message that somebody could complain about."""
    deliver(site, complained(f"<https://u.example.com/u/{site.token(purpose=purpose)}>"), "unsub@example.com")
    assert site.held() == []


def test_a_report_to_an_address_for_people_is_no_request(site: Site) -> None:
    """A bounce of a confirmation, or of anything else that had the address as its sender."""
    for address in ("unsub@example.com", "unsub+acme.newsletter@example.com", "privacy@example.com"):
        deliver(site, bounced("5.1.1"), address)
    assert (site.held(), site.rows("SELECT * FROM review")) == ([], [])
