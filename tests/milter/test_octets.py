"""Every octet in every text that an MTA hands over: a verdict that can last, and the right one where it is known.

Text travels NUL-terminated, so a NUL cuts it short, and all other octets arrive. A 4xx for an octet's sake would be
tried again until the message expires, and an octet that makes us overlook a login or a client would let mail pass.
The name of a header field is not among the texts: Postfix takes a line for a field only if its name is plain ASCII
(is_header.c), and pymilter can hand over no other.
"""

from collections.abc import Iterator

import pytest

from lab.directory import public_directory
from lab.milter import Milter
from lab.mta import MilterReply, Mta
from tests.milter.conftest import Start
from tests.milter.site import (
    CONFIG,
    NEWSLETTER,
    QUEUED,
    SENDER,
    assert_no_fault,
    assert_serves,
    login,
    session,
)

LASTING = {250, 550, 553}
OUT = "<bob@example.org>"


def _texts(*patterns: bytes, first: int = 0) -> Iterator[bytes]:
    """Each pattern with each octet from `first` on in place of its question mark."""
    for pattern in patterns:
        for octet in range(first, 256):
            yield pattern.replace(b"?", bytes([octet]))


def _macro_values(*patterns: bytes) -> Iterator[str]:
    """The same for the value of a macro, as the laboratory's MTA takes it: what is no UTF-8 as surrogates.

    Not NUL: it would make a value two, and libmilter reads beyond the end of macros whose number is odd
    (smfi_getsymval). Postfix cannot send one, its macros are C strings.
    """
    return (text.decode(errors="surrogateescape") for text in _texts(*patterns, first=1))


def _end(mta: Mta) -> MilterReply:
    return mta.eom(QUEUED)


@pytest.fixture(scope="module")
def shared() -> Iterator[Milter]:
    """One for this module, since what it logs of some ten thousand messages would slow all others down."""
    with public_directory() as directory, Milter(directory, config=CONFIG) as milter:
        yield milter


@pytest.fixture
def unharmed(milter: Milter) -> Iterator[Milter]:
    """A milter that refuses bob@example.org, and that nothing may have gone wrong in."""
    milter.suppress("bob@example.org")
    yield milter
    assert_no_fault(milter)
    assert_serves(milter)


RECIPIENTS = (
    *(b"?", b"<?>", b"<?bob@example.org>", b"<bo?b@example.org>", b"<bob@?example.org>", b"<bob@exam?ple.org>"),
    *(b"<bob@example.org?>", b'<"bo?b"@example.org>', b"<b\\?@c>"),
)


@pytest.mark.parametrize("known", [True, False], ids=["stream known by login", "by header"])
def test_a_recipient_gets_a_verdict(unharmed: Milter, known: bool) -> None:
    """At RCPT where the stream is known, else at the end of the message, to which Ann is a recipient too."""
    with session(unharmed) as mta:
        for text in _texts(*RECIPIENTS):
            mta.mail(SENDER, login("newsletter") if known else None)
            assert mta.rcpt(text).code in LASTING, text
            mta.rcpt("<ann@example.org>").expects(250)
            mta.header(*NEWSLETTER)
            assert _end(mta).code in LASTING, text


def test_what_postfix_reads_out_of_a_recipient_gets_a_verdict(unharmed: Milter) -> None:
    """{rcpt_addr}: whatever stands there, who is named in RCPT is refused if they opted out."""
    with session(unharmed) as mta:
        for text in _macro_values(b"bob@example.org?", b"bo?b@example.org", b"?"):
            mta.mail(SENDER, login("newsletter"))
            assert mta.rcpt(OUT, {"rcpt_addr": text}).code in {550, 553}, text
            assert mta.rcpt("<ann@example.org>", {"rcpt_addr": text}).code in LASTING, text


def test_what_postfix_reads_decides_whatever_stands_in_rcpt(unharmed: Milter) -> None:
    """Bob behind a comment, a percent or a bang path in any octet."""
    with session(unharmed) as mta:
        mta.mail(SENDER, login("newsletter"))
        for text in _texts(b"<ann?x@example.org>"):
            assert mta.rcpt(text, {"rcpt_addr": "bob@example.org"}).code in {550, 553}, text


def test_a_sender_changes_no_verdict(unharmed: Milter) -> None:
    """What a login decides, and what a header does, whatever the sender."""
    with session(unharmed) as mta:
        for text in _texts(b"?", b"<?>", b"<n?@news.example>", b"<?n@news.example>", b"<n@news.example?>"):
            mta.mail(text, login("newsletter"))
            assert mta.rcpt(OUT).code == 550, text
            mta.mail(text)
            mta.rcpt(OUT).expects(250)
            mta.header(*NEWSLETTER)
            assert _end(mta).code == 550, text


def test_a_sender_is_known_by_its_domain_whatever_stands_before_it(start: Start) -> None:
    """NUL apart, which no SMTP command can carry."""
    milter = start(classify=[{"mail_from": "*@news.example", "stream": "acme.newsletter"}], bulk=False)
    milter.suppress("bob@example.org")
    with session(milter) as mta:
        for text in _texts(b"<n?n@news.example>"):
            mta.mail(text)
            assert mta.rcpt(OUT).code == (250 if b"\0" in text else 550), text
    assert_no_fault(milter)


FIELDS = (
    *("X-Consent-Stream", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Precedence", "Auto-Submitted"),
    *("DKIM-Signature", "Message-ID", "X-Consent-Status", "X-Consent-Route"),
)


def test_a_header_value_leads_to_a_verdict(unharmed: Milter) -> None:
    """In every field that is looked at."""
    with session(unharmed) as mta:
        for text in _texts(b"?", b"v=1; h=from:?list-unsubscribe; b=x"):
            mta.mail(SENDER, login("newsletter"))
            mta.rcpt("<ann@example.org>").expects(250)
            for name in FIELDS:
                mta.header(name, text)
            assert _end(mta).code == 250, text


FAR = "192.0.2.7"
"""A client that is not outbound by its address."""


def _assert_refused(mta: Mta, text: str, macros: dict[str, str] | None = None) -> None:
    mta.mail(SENDER, macros)
    mta.rcpt(OUT).expects(250)
    mta.header(*NEWSLETTER)
    assert _end(mta).code == 550, text


def test_a_login_makes_mail_outbound_whatever_its_octets(unharmed: Milter) -> None:
    """One that we could not read would be mail from a stranger, which passes."""
    with session(unharmed, address=FAR) as mta:
        for text in _macro_values(b"al?ice"):
            _assert_refused(mta, text, login(text))


def test_a_login_of_odd_octets_is_logged_and_journalled(unharmed: Milter) -> None:
    """As text that a log and a database can hold."""
    with session(unharmed, address=FAR) as mta:
        _assert_refused(mta, "", login("a\udcff\u00e9"))
    assert unharmed.decisions()[0]["login"] == "a\udcff\u00e9"
    assert unharmed.journal()[0].login == "a\\udcff\u00e9"


def test_a_listener_makes_mail_outbound_whatever_its_octets(start: Start) -> None:
    """It is the administrator's text; a rule with a pattern finds it all the same."""
    milter = start(outbound={"listeners": ["sub*"]})
    milter.suppress("bob@example.org")
    for text in _macro_values(b"sub?mission"):
        with session(milter, address=FAR, listener=text) as mta:
            _assert_refused(mta, text)
    assert_no_fault(milter)


@pytest.mark.parametrize("address", [FAR, "2001:db8::7"])
def test_a_client_is_known_whatever_the_octets_of_its_name(start: Start, address: str) -> None:
    """pymilter drops the whole event where the name is no UTF-8: the address must be found elsewhere."""
    milter = start(outbound={"clients": ["192.0.2.0/24", "2001:db8::/32"]})
    milter.suppress("bob@example.org")
    for text in _macro_values(b"cl?ient"):
        with session(milter, address=address, host=text) as mta:
            _assert_refused(mta, text)
    assert milter.events("fault") == []
    assert {decision["client"] for decision in milter.decisions(255)} == {address}


@pytest.mark.parametrize("pattern", [b"<?>", b"<n?n@news.example>"])
def test_the_second_pass_knows_the_first_by_any_octets(start: Start, pattern: bytes) -> None:
    """The route covers sender and Message-ID, whatever they hold; so the loop never ends in a deferral."""
    milter = start(loop={"first": "first", "second": "second"})
    with session(milter, listener="first") as first, session(milter, listener="second") as second:
        for text in _texts(pattern):
            first.mail(text, login("newsletter"))
            first.rcpt("<ann@example.org>").expects(250)
            first.header("Message-ID", text)
            assert _end(first).code == 250, text
            route = first.edits[0]
            assert route.name == "X-Consent-Route"
            second.mail(text)
            second.rcpt("<ann@example.org>").expects(250)
            second.header("Message-ID", text)
            second.header(route.name, route.value)
            assert _end(second).code == 250, text
    assert_no_fault(milter)
