"""Rules that tell the stream of a message."""

from ipaddress import ip_address, ip_network

import pytest

from consentmilter.globs import Glob
from consentmilter.policy.mail import SENDMAIL, Header, Headers, Principal
from consentmilter.policy.rules import Answer, Right, Rule

EMPTY = Headers()
ANN = Principal("Ann", ip_address("10.1.2.3"), "submission")


def globs(*patterns: str) -> tuple[Glob, ...]:
    return tuple(Glob.of(pattern) for pattern in patterns)


def headers(**fields: str) -> Headers:
    return Headers(tuple(Header(name.replace("_", "-"), value) for name, value in fields.items()))


LOGIN = Right(logins=globs("ann", "bob"))
CLIENT = Right(clients=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
LISTENER = Right(listeners=globs("sub*"))


@pytest.mark.parametrize(
    ("who", "principal", "proof"),
    [
        (LOGIN, ANN, "login"),
        (LOGIN, Principal("eve"), None),
        (LOGIN, Principal(), None),
        (CLIENT, ANN, "client"),
        (CLIENT, Principal(client=ip_address("2001:db8::1")), "client"),
        (CLIENT, Principal(client=ip_address("192.0.2.1")), None),
        (CLIENT, Principal(), None),
        (LISTENER, ANN, "listener"),
        (LISTENER, Principal(listener="smtp"), None),
        (Right(listeners=globs(SENDMAIL)), Principal(listener=SENDMAIL, non_smtp=True), "listener"),
        (Right(LOGIN.logins, CLIENT.clients), Principal("eve", ip_address("10.0.0.1")), "client"),
        (Right(LOGIN.logins, CLIENT.clients), Principal("ann", ip_address("192.0.2.1")), "login"),
        (Right(), ANN, None),
    ],
)
def test_one_proof_of_those_asked_for_grants_a_claim(who: Right, principal: Principal, proof: str | None) -> None:
    """A right that asks for nothing is granted to nobody."""
    assert Rule(1, "acme", allow=who).right(principal) == proof
    assert who.empty is (who == Right())


def test_every_condition_of_a_rule_must_hold() -> None:
    """Login and client and listener and sender and header."""
    rule = Rule(
        1, "acme", Right(LOGIN.logins, CLIENT.clients, LISTENER.listeners), globs("*@a.example"), has_headers=("x",)
    )
    assert rule.fits(ANN, "b@a.example", headers(x="")) is Answer.YES
    for principal, sender, fields in (
        (Principal("eve", ANN.client, "submission"), "b@a.example", headers(x="")),
        (Principal("ann", ip_address("192.0.2.1"), "submission"), "b@a.example", headers(x="")),
        (Principal("ann", ANN.client, "smtp"), "b@a.example", headers(x="")),
        (ANN, "b@b.example", headers(x="")),
        (ANN, "b@a.example", headers(y="")),
    ):
        assert rule.fits(principal, sender, fields) is Answer.NO


def test_a_rule_on_the_header_says_maybe_until_the_header_is_there() -> None:
    """Unless the envelope says no already."""
    rule = Rule(1, "acme", LOGIN, has_headers=("x",))
    assert rule.fits(ANN, "", None) is Answer.MAYBE
    assert rule.fits(Principal("eve"), "", None) is Answer.NO
    assert Rule(1, "acme", LOGIN).fits(ANN, "", None) is Answer.YES


@pytest.mark.parametrize(
    ("rule", "fields", "answer"),
    [
        (Rule(1, "a", headers=(("x", globs("news*")),)), headers(x="NEWSletter"), Answer.YES),
        (Rule(1, "a", headers=(("x", globs("news*")),)), headers(x="no news"), Answer.NO),
        (Rule(1, "a", headers=(("x", globs("a", "b")),)), headers(x="b"), Answer.YES),
        (Rule(1, "a", headers=(("x", globs("a")), ("y", globs("b")))), headers(x="a"), Answer.NO),
        (Rule(1, "a", headers=(("x", globs("a")), ("y", globs("b")))), headers(x="a", y="b"), Answer.YES),
        (Rule(1, "a", headers=(("x", globs("a b")),)), headers(x=" a\n\tb "), Answer.YES),
        (Rule(1, "a", has_headers=("x", "y")), headers(x=""), Answer.NO),
        (Rule(1, "a", list_ids=globs("news.a.example")), headers(list_id="News <news.A.example>"), Answer.YES),
        (Rule(1, "a", list_ids=globs("news.a.example")), headers(list_id="news.a.example"), Answer.YES),
        (Rule(1, "a", list_ids=globs("news.a.example")), headers(list_id="news.a.example <other>"), Answer.NO),
        (Rule(1, "a", list_ids=globs("news.a.example")), EMPTY, Answer.NO),
    ],
)
def test_the_header_is_compared_unfolded_and_without_letter_case(rule: Rule, fields: Headers, answer: Answer) -> None:
    """A List-Id by its identifier, not by the phrase before it (RFC 2919 section 3)."""
    assert rule.fits(Principal(), "", fields) is answer


def test_one_of_several_fields_of_a_name_is_enough() -> None:
    """A message may bring a header twice."""
    twice = Headers((Header("x", "a"), Header("x", "b")))
    assert Rule(1, "acme", headers=(("x", globs("b")),)).fits(Principal(), "", twice) is Answer.YES


def test_a_rule_without_a_claim_needs_no_other_right_than_its_conditions() -> None:
    """The proof is the first of what it asks for; none where it asks for none."""
    assert Rule(1, "acme", Right(LOGIN.logins, CLIENT.clients)).right(ANN) == "login"
    assert Rule(1, "acme", CLIENT).right(ANN) == "client"
    assert Rule(1, "acme", senders=globs("*")).right(ANN) == ""


def test_the_fields_that_a_rule_looks_at_are_known() -> None:
    """The milter keeps only these."""
    rule = Rule(1, "acme", headers=(("x", globs("a")),), list_ids=globs("b"), has_headers=("y",))
    assert rule.asks() == {"x", "y", "list-id"}
    assert Rule(1, "acme", LOGIN, globs("*")).asks() == set()
