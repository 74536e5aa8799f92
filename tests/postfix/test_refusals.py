"""What a real Postfix refuses, and what it lets go."""

from lab.messages import message
from lab.system import System
from tests.postfix.conftest import ERROR_LIMITS, NEWSLETTER, SECURITY, Start, stream


def test_an_opted_out_recipient_is_refused_among_good_ones(system: System) -> None:
    """A login tells the stream, so RCPT refuses one person and the rest of the message goes."""
    system.suppress("bob@example.org", scope="acme.newsletter")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        smtp.rcpt("ann@example.org").expects(250)
        smtp.rcpt("bob@example.org").expects(550, '<bob@example.org>: opted out of "Weekly newsletter"')
        smtp.rcpt("eve@example.org").expects(250)
        smtp.data(message()).expects(250)
    system.postfix.wait_empty()
    assert sorted(rcpt for m in system.sink.messages for rcpt in m.rcpt_tos) == ["ann@example.org", "eve@example.org"]


def test_the_refusal_says_who_why_and_since_when(system: System) -> None:
    """The sender needs nothing else to mend the list; the reference finds the decision in the log."""
    system.run("import", "-", given="email,reason,date\nbob@example.org,unsubscribe,2026-02-01\n")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        refusal = smtp.rcpt("bob@example.org")
    decision = system.decisions()[0]
    assert refusal.text == (
        "5.7.1 <bob@example.org>: opted out of all marketing mail by unsubscribe on 2026-02-01; "
        f"remove this address from your list [{decision['ref']}]"
    )
    assert decision["verdict"] == "reject"


def test_a_message_known_by_its_header_is_refused_at_its_end_if_all_opted_out(system: System) -> None:
    """Nobody is left, so the sender is told with a 550."""
    system.suppress("bob@example.org", "eve@example.org")
    with system.client() as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(250)
        smtp.rcpt("eve@example.org").expects(250)
        smtp.data(message(headers=NEWSLETTER)).expects(550, "<bob@example.org>, <eve@example.org>: opted out")
    assert system.sink.messages == []


def test_opted_out_recipients_are_removed_among_good_ones(system: System) -> None:
    """The default of `mixed`: the good ones get their copy, and the log tells who was removed."""
    system.suppress("bob@example.org")
    with system.client() as smtp:
        smtp.send(message(headers=NEWSLETTER), "ann@example.org", "Bob@Example.ORG", "eve@example.org").expects(250)
    system.postfix.wait_empty()
    assert sorted(rcpt for m in system.sink.messages for rcpt in m.rcpt_tos) == ["ann@example.org", "eve@example.org"]
    assert [d["verdict"] for d in system.decisions(3)] == ["accept", "remove", "accept"]


def test_a_mixed_message_is_refused_where_the_stream_says_so(start: Start) -> None:
    """`mixed: reject`: nobody gets it, and the reply names who is the reason."""
    system = start(config=stream(mixed="reject"))
    system.suppress("bob@example.org")
    with system.client() as smtp:
        smtp.send(message(headers=NEWSLETTER), "ann@example.org", "bob@example.org").expects(550, "<bob@example.org>:")
    assert system.sink.messages == []


def test_an_exempt_message_reaches_who_opted_out_by_right_only(system: System) -> None:
    """The release bot may claim security patches; the newsletter may not, and nor may a stranger."""
    system.suppress("bob@example.org")
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "bob@example.org").expects(250)
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550, "opted out")
    with system.client() as smtp:
        smtp.send(message(headers=SECURITY), "bob@example.org").expects(550, "opted out")
    system.postfix.wait_empty()
    assert len(system.sink.messages) == 1
    assert system.decisions(3)[2]["false_claim"] == "acme.security"


def test_a_site_can_refuse_false_claims_outright(start: Start) -> None:
    """`false_claim: reject` refuses the message even to people who never opted out."""
    system = start(config={"false_claim": "reject"})
    with system.client() as smtp:
        smtp.send(message(headers=SECURITY), "ann@example.org").expects(550, "may not send mail as acme.security")


def test_a_hard_bounce_holds_for_exempt_mail_too(system: System) -> None:
    """Exempt means that opt-outs are bypassed, not that dead addresses are mailed."""
    system.suppress("gone@example.org", reason="hard_bounce")
    with system.client(login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "gone@example.org").expects(550, "undeliverable")


def test_a_tagged_message_goes_and_names_nobody(start: Start) -> None:
    """`action: tag` adds one header that says what the stream is, never who opted out."""
    system = start(config=stream(action="tag"))
    system.suppress("bob@example.org")
    forged = {"X-Consent-Status": "all fine", **NEWSLETTER}
    with system.client() as smtp:
        smtp.send(message(headers=forged), "ann@example.org", "bob@example.org").expects(250)
    delivered = system.sink.wait()[0]
    assert delivered.headers("X-Consent-Status") == ["opted-out; stream=acme.newsletter"]


def test_a_forged_status_does_not_leave_the_system(system: System) -> None:
    """Only we say X-Consent-Status; here there is nothing to say."""
    headers = [("X-Consent-Status", "a"), ("x-consent-status", "b"), ("X-Consent-Route", "stream=acme.security")]
    with system.client() as smtp:
        smtp.send(message(headers=headers), "ann@example.org").expects(250)
    delivered = system.sink.wait()[0]
    assert delivered.headers("X-Consent-Status") == []
    assert delivered.headers("X-Consent-Route") == []


def test_held_mail_is_found_in_the_hold_queue(start: Start) -> None:
    """`action: hold`: Postfix keeps it until the admin has looked."""
    system = start(config=stream(action="hold"))
    system.suppress("bob@example.org")
    with system.client() as smtp:
        smtp.send(message(headers=NEWSLETTER), "bob@example.org").expects(250)
    assert len(system.postfix.hold_queue()) == 1
    assert system.sink.messages == []


def test_deferred_mail_waits_with_its_sender(start: Start) -> None:
    """`action: defer`: 4xx, at RCPT where the stream is known and at the end where it is not."""
    system = start(config=stream(action="defer"))
    system.suppress("bob@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(450, "4.7.1")
    with system.client() as smtp:
        smtp.send(message(headers=NEWSLETTER), "bob@example.org").expects(450, "4.7.1")


def test_domains_and_their_subdomains_are_refused(system: System) -> None:
    """`example.com` is that domain, `.example.net` everything below it and not the domain itself."""
    system.suppress("example.com", ".example.net")
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("any@example.com").expects(550, "remove this domain")
        smtp.rcpt("any@mail.example.com").expects(250)
        smtp.rcpt("any@mail.eu.example.net").expects(550)
        smtp.rcpt("any@example.net").expects(250)


def test_forty_stale_recipients_do_not_end_the_session(start: Start) -> None:
    """With the shipped error limits a campaign with a stale list is refused person by person to its end."""
    system = start(main=ERROR_LIMITS)
    stale = [f"stale{number}@example.org" for number in range(40)]
    system.run("import", "-", given="\n".join(stale))
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        for address in stale:
            smtp.rcpt(address).expects(550)
        smtp.rcpt("good@example.org").expects(250)
        smtp.data(message()).expects(250)
    system.sink.wait()
