"""Screening mail of streams that require consent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from consentmilter.hashes import digests
from consentmilter.model import ConsentState, Reason
from tests.unit.dialogue import STREAMS, Mta, site
from tests.unit.making import NOW, OPTED_OUT

LATER = OPTED_OUT + timedelta(days=1)
OFFERS = {"acme.offers": {"title": "Offers", "requires_consent": True}}
SITE = site(
    streams={**STREAMS, **OFFERS},
    classify=[
        {"login": "offers", "stream": "acme.offers"},
        {"login": "newsletter", "stream": "acme.newsletter"},
        {"header": {"X-Stream": "acme.offers"}, "allow": {"login": "anybody"}, "stream": "acme.offers"},
    ],
    addresses={"folded.example": {"sub_address": "+"}},
)


@pytest.fixture
def mta() -> Mta:
    return Mta(SITE)


def test_who_never_consented_is_refused_among_those_who_did(mta: Mta) -> None:
    """At RCPT, each for themselves."""
    mta.consented("ann@example.com", "acme.offers")
    mail = mta.mail(login="offers")
    mail.rcpt("<ann@example.com>").expects()
    mail.rcpt("<bob@example.com>").expects("550", '<bob@example.com>: no recorded consent for "Offers" (acme.offers)')
    mail.end().expects()
    assert mta.told() == {"<ann@example.com>": ("accept", None), "<bob@example.com>": ("reject", "no-consent")}
    assert mta.asked == 2


def test_a_withdrawal_is_refused_and_told(mta: Mta) -> None:
    """With the scope in which it was made; also where the stream requires no consent."""
    mta.consented("ann@example.com", "acme.offers")
    mta.consented("ann@example.com", "acme", ConsentState.WITHDRAWN)
    for login in ("offers", "newsletter"):
        mail = mta.mail(login=login)
        mail.rcpt("<ann@example.com>").expects("550", "consent to all mail of Acme Ltd (acme) withdrawn on 2026-02-01")
    assert {(record.reason, record.scope) for record in mta.records} == {("withdrawn", "acme")}


def test_one_look_up_answers_for_a_whole_message(mta: Mta) -> None:
    """Where the header tells the stream: those who did not consent are taken off it."""
    mta.consented("ann@example.com", "acme.offers")
    mail = mta.mail(login="anybody")
    for who in ("ann", "bob", "eve"):
        mail.rcpt(f"<{who}@example.com>").expects()
    mail.header("X-Stream", "acme.offers")
    mail.end().expects(remove=["<bob@example.com>", "<eve@example.com>"])
    assert mta.asked == 1


def test_without_the_store_such_mail_waits(mta: Mta) -> None:
    """As all marketing does."""
    mta.away = True
    mta.mail(login="offers").rcpt("<ann@example.com>").expects("451")


def test_a_confirmed_opt_in_after_the_opt_out_lets_the_mail_through_and_is_told(mta: Mta) -> None:
    """The record has the opt-out, and that it was outdone."""
    mta.opted_out("ann@example.com")
    mta.consented("ann@example.com", "acme.newsletter", confirmed=True, at=LATER)
    mail = mta.mail(login="newsletter")
    mail.rcpt("<ann@example.com>").expects()
    mail.end().expects()
    [record] = mta.records
    assert (record.verdict, record.reason, record.opted_in, record.bypassed) == ("accept", "unsubscribe", True, False)
    assert not record.plain


def test_an_opt_in_outdoes_what_a_hash_list_says_of_the_person(mta: Mta) -> None:
    """The digest is of the person's address, as the subject key is."""
    row = mta.opted_out("ann@example.com", reason=Reason.IMPORTED)
    mta.rows = [replace(row, subject=digests("ann@example.com")[2], address=None)]
    mta.mail(login="newsletter").rcpt("<Ann@Example.com>").expects("550")
    mta.consented("ann@example.com", "acme.newsletter", confirmed=True, at=LATER)
    mta.mail(login="newsletter").rcpt("<Ann@Example.com>").expects()


def test_the_opt_out_of_a_domain_is_not_outdone(mta: Mta) -> None:
    """It is not the person's."""
    mta.opted_out("example.com")
    mta.consented("ann@example.com", "acme.newsletter", confirmed=True, at=LATER)
    mta.mail(login="newsletter").rcpt("<ann@example.com>").expects("550", "this domain")


def test_only_the_consent_of_who_gets_the_mail_counts(mta: Mta) -> None:
    """Postfix delivers `c!a@example.com` to a@c: the other reading may refuse, but never grant."""
    mta.consented("a(b)@c.example", "acme.offers")
    mta.consented("x@c.example", "acme.offers")
    mail = mta.mail(login="offers")
    mail.rcpt("<a%d.example@c.example>", "a@d.example").expects("550", "no recorded consent")
    mail.rcpt("<y%c.example@d.example>", "x@c.example").expects()


def test_a_consent_is_found_under_the_key_from_before_a_folding(mta: Mta) -> None:
    """The person is the same; the keys are two."""
    mta.consented("ann+lists@folded.example", "acme.offers")
    mta.mail(login="offers").rcpt("<ann+lists@folded.example>").expects()
    mta.mail(login="offers").rcpt("<ann+other@folded.example>").expects("550")
    mta.consented("ann@folded.example", "acme.offers", at=NOW)
    mta.mail(login="offers").rcpt("<ann+other@folded.example>").expects()
