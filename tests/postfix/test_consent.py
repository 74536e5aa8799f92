"""Mail of streams that require consent, through a real Postfix."""

from lab.messages import message
from lab.system import System
from tests.acme import SITE
from tests.postfix.conftest import Start

OFFERS = {"X-Consent-Stream": "acme.offers"}
CONFIG = {
    "streams": {**SITE["streams"], "acme.offers": {"title": "Offers", "requires_consent": True}},
    "classify": [
        {"login": "alice", "stream": "acme.offers"},
        *SITE["classify"],
        {"header": OFFERS, "stream": "acme.offers"},
    ],
}


def site(start: Start) -> System:
    return start(config=CONFIG)


def consent(system: System, action: str, who: str, stream: str = "acme.offers", *more: str) -> None:
    system.run("consent", action, who, "--stream", stream, "--evidence", "form", *more)


def recipients(system: System) -> list[str]:
    """Who got mail."""
    system.postfix.wait_empty()
    return sorted(rcpt for each in system.sink.messages for rcpt in each.rcpt_tos)


def test_only_those_who_consented_get_the_mail(start: Start) -> None:
    """Each of the others is refused at RCPT, and told what is missing; a consent to another stream is none to this."""
    system = site(start)
    consent(system, "grant", "ann@example.org")
    consent(system, "grant", "eve@example.org", "acme.newsletter")
    with system.client(login="alice") as smtp:
        smtp.mail("offers@acme.example").expects(250)
        smtp.rcpt("Ann@Example.org").expects(250)
        refusal = smtp.rcpt("bob@example.org")
        smtp.rcpt("eve@example.org").expects(550, "no recorded consent")
        smtp.data(message()).expects(250)
    ref = system.decisions(3)[1]["ref"]
    refusal.expects(550)
    assert refusal.text == (
        '5.7.1 <bob@example.org>: no recorded consent for "Offers" (acme.offers); '
        f"remove this address from your list [{ref}]"
    )
    assert recipients(system) == ["Ann@Example.org"]
    assert [each.get("reason") for each in system.decisions(3)].count("no-consent") == 2


def test_a_withdrawal_holds_from_the_next_message_on(start: Start) -> None:
    """In the whole organisation; the security patch still goes."""
    system = site(start)
    consent(system, "grant", "ann@example.org")
    with system.client(login="alice") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
        consent(system, "withdraw", "ann@example.org", "acme")
        smtp.mail("offers@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(550, "consent to all mail of Acme Ltd (acme) withdrawn on")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(550, "withdrawn on")
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers={"X-Consent-Stream": "acme.security"}), "ann@example.org").expects(250)
    assert recipients(system) == ["ann@example.org"] * 2


def test_a_confirmed_opt_in_brings_back_who_unsubscribed_and_nobody_who_complained(start: Start) -> None:
    """For the stream that was confirmed, and no other."""
    system = site(start)
    opted_out = "email,reason,date\nann@example.org,unsubscribe,2026-02-01\nbob@example.org,complaint,2026-02-01\n"
    system.run("import", "-", given=opted_out)
    for who in ("ann@example.org", "bob@example.org"):
        consent(system, "grant", who, "acme.offers", "--confirmed")
    with system.client(login="alice") as smtp:
        smtp.mail("offers@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(250)
        smtp.rcpt("bob@example.org").expects(550, "by complaint")
        smtp.data(message()).expects(250)
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(550, "by unsubscribe")
    assert recipients(system) == ["ann@example.org"]
    [let_in] = [each for each in system.decisions(3) if each.get("opted_in")]
    assert (let_in["verdict"], let_in["reason"]) == ("accept", "unsubscribe")


def test_where_the_header_tells_the_stream_those_without_consent_are_removed(start: Start) -> None:
    """And a message that nobody consented to is refused."""
    system = site(start)
    consent(system, "grant", "ann@example.org")
    with system.client() as smtp:
        smtp.send(message(headers=OFFERS), "ann@example.org", "bob@example.org").expects(250)
        smtp.send(message(headers=OFFERS), "bob@example.org").expects(550, "no recorded consent")
    assert recipients(system) == ["ann@example.org"]
