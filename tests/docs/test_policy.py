"""docs/policy.md against the policy: categories, reasons, and what refusals say."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from consentmilter import replies
from consentmilter.config import parse
from consentmilter.config.compile import compile_site
from consentmilter.model import Basis, Consent, ConsentState, Reason, Suppression, Verdict
from consentmilter.policy.categories import BUILT_IN, OPT_OUTS
from consentmilter.policy.consents import Lack
from consentmilter.policy.decide import Decision
from consentmilter.policy.objections import Objection
from consentmilter.policy.site import Site
from consentmilter.replies import Reply
from tests.docs.pages import code, page, table

PAGE = page("policy.md")
CATEGORIES = {code(row[0]): row for row in table(PAGE, "category", "mail", "basis", "exempt", "unsubscribe header")}
REPLIES = table(PAGE, "case", "reply")

SITE = """
mode: enforce
organisations: {acme: {title: Acme Ltd}}
streams: {acme.newsletter: {title: Weekly newsletter}}
"""
WITH_HELP = SITE + "reply: {help_url: https://www.example.com/refused}"
REF = "42ce4dab62"
DAY = datetime(2026, 3, 14, tzinfo=UTC)


def test_every_built_in_category_is_listed_and_no_other() -> None:
    """In the order of the program, so that a new one has its place."""
    assert list(CATEGORIES) == list(BUILT_IN)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_category_is_listed_as_it_is(name: str) -> None:
    """Basis, exemption and header; every exempt one bypasses what the table of reasons says."""
    category = BUILT_IN[name]
    _, mail, basis, exempt, header = CATEGORIES[name]
    assert mail
    assert code(basis) == category.basis
    assert exempt == _yes(category.exempt)
    assert header == _yes(category.unsubscribe_header)
    assert category.bypasses in (frozenset(), OPT_OUTS)


def test_the_reasons_stand_in_their_order_with_what_exempt_mail_bypasses() -> None:
    """The order decides which one a refusal shows."""
    rows = table(PAGE, "reason", "means", "bypassed by exempt categories")
    assert [(code(row[0]), row[2]) for row in rows] == [(reason, _yes(reason in OPT_OUTS)) for reason in Reason]


def test_the_page_names_every_action() -> None:
    """Each verdict but accept is one that a stream can ask for."""
    rows = table(PAGE, "action", "stream known from the envelope", "stream known at the end of the message only")
    assert {code(row[0]) for row in rows} == set(Verdict) - {Verdict.ACCEPT}


def test_every_reply_on_the_page_is_one_that_the_program_gives() -> None:
    """The table holds the texts as a client gets them, and lacks none."""
    assert {code(row[1]) for row in REPLIES} == {f"{r.code} {r.enhanced} {r.text}" for r in _replies()}


def _replies() -> Iterator[Reply]:
    site = compile_site(parse(SITE, "site"))
    yield _opted_out(site, ("reader", "acme.newsletter", Reason.UNSUBSCRIBE))
    yield _opted_out(site, ("reader", "acme", Reason.OBJECTION))
    yield _opted_out(site, ("reader", "*", Reason.MANUAL))
    yield _opted_out(site, ("reader", "acme", Reason.OBJECTION), ("user", "*", Reason.MANUAL))
    yield _opted_out(compile_site(parse(WITH_HELP, "site")), ("reader", "*", Reason.MANUAL))
    missing = Decision(Verdict.REJECT, lack=Lack.NO_CONSENT)
    yield _refused(site, ("reader", missing))
    withdrawal = Consent(b"s" * 16, "acme", ConsentState.WITHDRAWN, Basis.CONSENT, DAY, False, "cli")
    yield _refused(site, ("reader", Decision(Verdict.REJECT, lack=Lack.WITHDRAWN, consent=withdrawal)))
    opted_out = Decision(Verdict.REJECT, Suppression(b"s" * 16, "acme", Reason.MANUAL, "cli", DAY))
    yield _refused(site, ("reader", missing), ("user", opted_out))
    stream = site.streams["acme.newsletter"]
    yield replies.deferred(["<reader@example.net>"], stream, REF)
    for objection in Objection:
        yield replies.objected(objection, stream, "acme.security", REF)
    yield from (replies.split(REF), replies.store_away(REF), replies.fault(REF), replies.no_route(REF))


def _opted_out(site: Site, *people: tuple[str, str, Reason]) -> Reply:
    rows = [(local, Suppression(b"s" * 16, scope, reason, "cli", DAY)) for local, scope, reason in people]
    return _refused(site, *((local, Decision(Verdict.REJECT, row)) for local, row in rows))


def _refused(site: Site, *people: tuple[str, Decision]) -> Reply:
    refused = [(f"<{local}@example.net>", decision) for local, decision in people]
    return replies.refused(refused, site, site.streams["acme.newsletter"], REF)


def _yes(value: object) -> str:
    return "yes" if value else "no"
