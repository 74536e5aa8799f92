"""However a recipient is written, the opt-out finds them, and the right octets go back to Postfix."""

import pytest

from lab.messages import message
from lab.system import System
from tests.postfix.conftest import NEWSLETTER, Start

WRITTEN = [
    ("bob@example.org", "BOB@EXAMPLE.ORG"),
    ("bob@example.org", '"bob"@example.org'),
    ('"bob smith"@example.org', '"Bob Smith"@example.org'),
    ("jürgen@example.org", "JÜRGEN@example.org"),
    ("anna@xn--bcher-kva.example", "anna@bücher.example"),
    ("anna@bücher.example", "anna@XN--BCHER-KVA.example"),
    ("anna@foo_bar.example", "Anna@Foo_Bar.example"),
]


@pytest.mark.parametrize(("listed", "written"), WRITTEN)
def test_the_opt_out_finds_the_person_however_written(system: System, listed: str, written: str) -> None:
    """At RCPT, and again by removal at the end, which needs the exact octets of the RCPT."""
    system.suppress(listed)
    options = () if written.isascii() else ("SMTPUTF8",)
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example", *options).expects(250)
        smtp.rcpt(written).expects(550, "opted out")
        smtp.rset()
    system.sink.clear()
    with system.client() as smtp:
        smtp.mail("news@acme.example", *options).expects(250)
        smtp.rcpt("ann@example.org").expects(250)
        smtp.rcpt(written).expects(250)
        smtp.data(message(headers=NEWSLETTER)).expects(250)
    system.postfix.wait_empty()
    assert [m.rcpt_tos for m in system.sink.messages] == [("ann@example.org",)]


WRITTEN_ODDLY = [
    "@relay.example:bob@example.org",
    "bob(comment)@example.org",
    "(bob)bob@example.org",
    "example.org!bob",
    '"b"ob@example.org',
]


@pytest.mark.parametrize("written", WRITTEN_ODDLY)
def test_who_is_written_oddly_is_refused_and_never_missed(system: System, written: str) -> None:
    """Postfix reads more than RFC 5321 allows. Where it could silently miss a removal, the whole message is refused."""
    system.suppress("bob@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        assert smtp.rcpt(written).code in (501, 550)
    with system.client() as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(250)
        if smtp.rcpt(written).code == 250:
            smtp.data(message(headers=NEWSLETTER)).expects(550)
    system.postfix.wait_empty()
    assert system.sink.to("bob@example.org") == []


def test_sub_addresses_fold_only_where_the_site_says_so(start: Start) -> None:
    """`bob+anything` is bob at the provider named, and somebody else everywhere else."""
    system = start(config={"addresses": {"example.org": {"sub_address": "+", "ignore_dots": True}}})
    system.suppress("bob@example.org", "bob@example.net")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("b.o.b+shop@example.org").expects(550)
        smtp.rcpt("bob+shop@example.net").expects(250)


def test_octets_that_are_no_utf8_get_a_definite_answer(system: System) -> None:
    """Never an endless 4xx: such an address is nobody on the list, or the domain's entry refuses it."""
    system.suppress("example.net")
    with system.client() as smtp:
        smtp.mail("news@acme.example")
        replies = [smtp.rcpt(b"b\xffb@example.org"), smtp.rcpt(b"b\xffb@example.net")]
        smtp.data(message(headers=NEWSLETTER))
    assert all(reply.code // 100 in (2, 5) for reply in replies)
