"""Who a mail is from, by our own Authentication-Results alone."""

import pytest

from consentmilter.reports.authentication import aligned
from tests.reports.mails import written

OURS = ["mx.ours.example"]
DOMAIN = "person.example"

RECEIVED = "Received: from out.person.example (out.person.example [192.0.2.1]) by mx.ours.example (Postfix) with ESMTPS"
INSIDE = "Received: from mx.ours.example by lmtp.mx.ours.example with LMTP id 1"
FOREIGN = "Received: from laptop by out.person.example (Postfix) with ESMTPSA id 2"


def says(*fields: str, domain: str = DOMAIN) -> bool:
    return aligned(written("\n".join([*fields, "From: a@person.example", "", "hello"])), OURS, domain)


@pytest.mark.parametrize(
    "results",
    [
        "dkim=pass header.d=person.example",
        "dkim=pass (2048-bit key; unprotected) header.d=person.example header.i=@person.example header.b=abc",
        "DKIM=PASS HEADER.D=Person.Example.",
        "dkim/1=pass header.d=person.example",
        "dkim=pass header.i=@person.example",
        "dkim=fail header.d=person.example; dkim=pass header.d=person.example",
        "dkim=none; spf=pass smtp.mailfrom=a@person.example",
        "spf=pass (a comment (in a comment; dkim=fail)) smtp.mailfrom=person.example",
        'spf=pass reason="it is" smtp.mailfrom="person.example"',
        "dmarc=pass (p=reject) header.from=person.example",
    ],
)
def test_a_pass_for_the_domain_counts(results: str) -> None:
    """By DKIM, SPF or DMARC, as the verifiers write it."""
    assert says(f"Authentication-Results: mx.ours.example; {results}", RECEIVED)
    assert says(RECEIVED, f"Authentication-Results: MX.ours.example 1;\n\t{results}", FOREIGN)


@pytest.mark.parametrize(
    "results",
    [
        "none",
        "",
        "dkim=pass",
        "dkim=pass header.d=",
        "dkim=pass header.d=evil.example",
        "dkim=pass header.d=example",
        "dkim=pass header.d=news.person.example",
        "dkim=pass header.d=evilperson.example",
        "dkim=fail header.d=person.example",
        "dkim=passed header.d=person.example",
        "dkim=fail (dkim=pass header.d=person.example)",
        "dkim=fail (x) header.d=evil.example (; dkim=pass header.d=person.example ;)",
        'dkim=fail reason="; dkim=pass header.d=person.example ;"',
        'dkim=pass reason="x header.d=person.example" header.d=evil.example',
        "dkim=pass header.d=evil.example header.d=person.example",
        "dkim=pass header.d=evil.example header.i=@person.example",
        "dkim=pass header.from=person.example",
        "spf=pass smtp.helo=person.example",
        "spf=softfail smtp.mailfrom=person.example",
        "spf=pass smtp.mailfrom=person.example@evil.example",
        "dkim=pass header.d=person.example (",
        'dkim=pass header.d=person.example "',
        ") dkim=pass header.d=person.example",
        "arc=pass header.d=person.example",
        "auth=pass header.d=person.example",
    ],
)
def test_anything_else_does_not(results: str) -> None:
    """Other domains, other results, and words in comments and quotes."""
    assert not says(f"Authentication-Results: mx.ours.example; {results}", RECEIVED)


@pytest.mark.parametrize("proven", ["person.example", "example.com", "com"])
def test_a_parent_of_the_domain_counts_if_it_has_a_dot(proven: str) -> None:
    """A parent controls what is below it; a top-level domain signs nothing."""
    field = f"Authentication-Results: mx.ours.example; dkim=pass header.d={proven}"
    assert says(field, RECEIVED, domain="a.b.example.com") is (proven == "example.com")


def test_a_field_of_somebody_else_does_not_count() -> None:
    """Only our own MTA's word does."""
    for name in ("mx.evil.example", "xmx.ours.example", "ours.example", "", '""', ";"):
        assert not says(f"Authentication-Results: {name}; dkim=pass header.d=person.example", RECEIVED)
    assert not says("X-Authentication-Results: mx.ours.example; dkim=pass header.d=person.example", RECEIVED)


def test_a_field_below_a_foreign_received_does_not_count() -> None:
    """It came with the mail; one between our own hops did not."""
    field = "Authentication-Results: mx.ours.example; dkim=pass header.d=person.example"
    assert says(INSIDE, RECEIVED, field, FOREIGN)
    assert not says(INSIDE, RECEIVED, FOREIGN, field)
    assert not says(RECEIVED, FOREIGN, field)
    assert not says(RECEIVED, "Received: from by mx.ours.example (by mx.ours.example) by evil.example", field)


def test_the_topmost_result_of_a_method_is_the_one() -> None:
    """What a sender wrote below our verifier's own result does not overrule it."""
    forged = "Authentication-Results: mx.ours.example; dkim=pass header.d=person.example"
    assert not says(RECEIVED, "Authentication-Results: mx.ours.example; dkim=none", forged)
    assert says(RECEIVED, "Authentication-Results: mx.ours.example; spf=none", forged)


def test_a_field_that_is_too_long_says_nothing() -> None:
    """Nobody's verifier writes one."""
    field = f"Authentication-Results: mx.ours.example; x={'y' * 9000}; dkim=pass header.d=person.example"
    assert not says(field, RECEIVED)


def test_without_an_own_name_nothing_counts() -> None:
    """A site that names no authserv-id trusts no field."""
    field = "Authentication-Results: mx.ours.example; dkim=pass header.d=person.example"
    assert not aligned(written(f"{field}\n\n"), [], DOMAIN)
