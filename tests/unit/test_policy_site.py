"""The site's policy."""

from ipaddress import ip_address, ip_network

import pytest

from consentmilter.globs import Glob
from consentmilter.model import ALL, Mode
from consentmilter.policy.mail import Principal
from consentmilter.policy.rules import Right, Rule
from consentmilter.policy.site import Outbound
from tests.unit.making import organisations, site, stream

OUTBOUND = Outbound((Glob.of("submission*"),), (ip_network("10.1.0.0/16"),))


@pytest.mark.parametrize(
    ("principal", "outbound"),
    [
        (Principal(login="news"), True),
        (Principal(non_smtp=True), True),
        (Principal(client=ip_address("127.0.0.1")), True),
        (Principal(client=ip_address("::1")), True),
        (Principal(client=ip_address("10.1.2.3")), True),
        (Principal(listener="submissions"), True),
        (Principal(client=ip_address("10.2.0.1"), listener="smtp"), False),
        (Principal(client=ip_address("2001:db8::1")), False),
        (Principal(), False),
    ],
)
def test_the_policy_applies_to_outbound_mail_only(principal: Principal, outbound: bool) -> None:
    """A login, sendmail(1), loopback, and what the site names."""
    assert OUTBOUND.includes(principal) is outbound


def test_scopes_are_all_streams_their_parents_and_everything() -> None:
    """That is what a suppression can be made for."""
    news = site(stream("acme.news.weekly"), organisations=organisations(acme="Acme Ltd", other="Other"))
    assert news.scopes() == {ALL, "acme", "acme.news", "acme.news.weekly", "other", "bulk", "unclassified"}


def test_an_organisations_own_stream_is_called_by_its_title() -> None:
    """A stream of that name comes before the organisation."""
    news = site(stream("acme", title="All of it"), organisations=organisations(acme="Acme Ltd", other="Other"))
    assert news.scope_title("acme") == '"All of it"'
    assert news.scope_title("other") == "all mail of Other"
    assert news.scope_title(ALL) == "all marketing mail"
    assert news.scope_title("gone") == '"gone"'


@pytest.mark.parametrize(
    ("bulk", "rules", "reads"),
    [
        (True, (), True),
        (False, (), False),
        (False, (Rule(1, "bulk", has_headers=("x",)),), False),
        (False, (Rule(1, "bulk", has_headers=("x",), allow=Right()),), True),
        (False, (Rule(1, "bulk", allow=Right()),), False),
    ],
)
def test_the_header_matters_to_unknown_mail_if_it_may_claim_something(
    bulk: bool, rules: tuple[Rule, ...], reads: bool
) -> None:
    """The built-in rule for bulk mail, or a claim that is told by a header."""
    assert site(bulk_rule=bulk, rules=rules).rules_read_header is reads


def test_a_stream_is_enforced_by_its_own_mode() -> None:
    """Whatever the site's is."""
    assert stream(mode=Mode.ENFORCE).enforced
    assert not stream(mode=Mode.OBSERVE).enforced
