"""Mail from sendmail(1), which Postfix must not be told to refuse at RCPT."""

from lab.messages import message
from lab.system import System
from tests.postfix.conftest import CONFIG, NEWSLETTER, SECURITY, Start


def _bounce(system: System) -> bytes:
    return next(m.content for m in system.sink.wait() if m.rcpt_tos == ("admin@test.example",))


def test_an_opted_out_recipient_bounces_to_the_local_sender_with_the_reason(system: System) -> None:
    """The whole message is refused at its end; nothing stays behind in the maildrop."""
    system.suppress("bob@example.org")
    system.postfix.sendmail(message(headers=NEWSLETTER), "bob@example.org", sender="admin@test.example")
    assert b"opted out of all marketing mail" in _bounce(system)
    assert system.sink.to("bob@example.org") == []
    assert system.postfix.maildrop_count() == 0


def test_mixed_recipients_bounce_as_a_whole_with_the_names(system: System) -> None:
    """Postfix may silently ignore a removal here, so nobody gets it and the sender learns who is the reason."""
    system.suppress("bob@example.org")
    recipients = ("ann@example.org", "bob@example.org")
    system.postfix.sendmail(message(headers=NEWSLETTER), *recipients, sender="admin@test.example")
    assert b"<bob@example.org>: opted out" in _bounce(system).replace(b"\r\n    ", b" ")
    system.postfix.wait_empty()
    assert system.sink.to("ann@example.org") == system.sink.to("bob@example.org") == []


def test_exempt_mail_goes_by_right_of_the_listener(start: Start) -> None:
    """`sendmail` is the name of a listener here; a claim from elsewhere is not believed."""
    claim = {"header": {"X-Consent-Stream": "acme.security"}, "allow": {"listener": "sendmail"}}
    system = start(config={"classify": [{**claim, "stream": "acme.security"}, *CONFIG["classify"][1:]]})
    system.suppress("bob@example.org")
    system.postfix.sendmail(message(headers=SECURITY), "bob@example.org")
    system.sink.wait()
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550)


def test_an_unqualified_recipient_who_opted_out_is_caught(start: Start) -> None:
    """`sendmail bob` shows the milter bob@myorigin; he is refused under that name."""
    system = start(main={"myorigin": "example.org"})
    system.suppress("bob@example.org")
    system.postfix.sendmail(message(headers=NEWSLETTER), "bob", "ann@example.org", sender="admin@test.example")
    assert b"<bob@example.org>" in _bounce(system)
    system.postfix.wait_empty()
    assert system.sink.to("bob@example.org") == []


def test_a_newsletter_to_a_good_recipient_goes_with_a_link(system: System) -> None:
    """The usual case of a script on the mail server."""
    system.postfix.sendmail(message(headers=NEWSLETTER), "ann@example.org")
    assert system.sink.wait()[0].headers("List-Unsubscribe") != []
