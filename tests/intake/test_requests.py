"""Mail by which people say no: to an address with a token, to one of a stream, to one that has neither, as a reply."""

import email
import email.policy
from email.message import EmailMessage

import pytest

from consentmilter.tokens import Purpose
from lab.sink import Sink
from tests.intake.conftest import Start
from tests.intake.lmtp import Lmtp
from tests.intake.site import NOON, Site, letter

AUTOMATIC = {"Auto-Submitted": "auto-generated"}
QUOTED = "\r\n\r\nOn Mon, 2 Feb 2026, Acme wrote:\r\n> You get this newsletter because you asked.\r\n> Unsubscribe\r\n"


def send(site: Site, content: bytes, *recipients: str, sender: str = "ann@example.org", code: int = 250) -> None:
    """Deliver a message; every recipient gets this reply."""
    with Lmtp(site.socket) as lmtp:
        assert {reply.code for reply in lmtp.send(content, *recipients, sender=sender)} == {code}


def parsed(content: bytes) -> EmailMessage:
    return email.message_from_bytes(content, policy=email.policy.default)


@pytest.mark.parametrize(
    "content",
    [
        letter(subject="", body="", proven=False),
        letter(subject="do not unsubscribe me", body="I love your mail", proven=False),
        letter(sender="eve@example.com", proven=False),
        letter(headers=AUTOMATIC, proven=False),
        b"\r\n",
        b"no message at all",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\n" * 300,
    ],
    ids=["empty", "otherwise", "other-sender", "automatic", "nothing", "no-header", "too-odd"],
)
def test_a_token_says_it_all_whatever_the_mail_says(site: Site, content: bytes) -> None:
    """Apple's mail programs send an empty subject and body; the token proves who and what."""
    send(site, content, f"unsub+{site.token()}@example.com", sender="")
    assert site.held() == [("acme.newsletter", "unsubscribe", "mail")]


def test_a_token_is_good_at_every_address_of_the_site_in_any_letter_case(site: Site) -> None:
    """Mail servers on the way may write an address as they like; a repeat is no second suppression."""
    token = site.token()
    send(site, letter(), f"UNSUB+{token.upper()}@Example.COM", f"unsub+{token}@acme.example")
    assert site.held() == [("acme.newsletter", "unsubscribe", "mail")]
    assert [row[0] for row in site.rows("SELECT action FROM ledger ORDER BY id")] == ["add", "repeat"]


def test_the_address_is_kept_where_the_mail_is_from_whom_the_token_means(site: Site) -> None:
    """A token holds no address; so the list can show the person. Of another sender nothing is kept."""
    send(site, letter(), f"unsub+{site.token()}@example.com")
    send(site, letter(), f"unsub+{site.token('bob@example.org')}@example.com")
    assert {row[0] for row in site.rows("SELECT address FROM suppression")} == {"ann@example.org", None}


def test_no_address_is_kept_where_the_site_wants_none(start: Start) -> None:
    """`privacy.store_addresses: false` holds for what is to be reviewed as well."""
    site = start(privacy={"store_addresses": False}, intake={"sender": None})
    send(site, letter(), f"unsub+{site.token()}@example.com", "unsub@example.com")
    send(site, letter(body="Who are you?"), "unsub@example.com")
    assert {row[0] for row in site.rows("SELECT address FROM suppression UNION SELECT address FROM review")} == {None}


@pytest.mark.parametrize("purpose", [Purpose.BOUNCE, Purpose.UNDO])
def test_a_token_for_something_else_is_no_unsubscribe_token(site: Site, sink: Sink, purpose: Purpose) -> None:
    """The mail counts as one to the plain address: its sender is not proven, so is asked, and nothing changes."""
    send(site, letter(proven=False), f"unsub+{site.token(purpose=purpose)}@example.com")
    assert site.held() == []
    assert sink.wait()[0].rcpt_tos == ("ann@example.org",)


def test_a_damaged_token_does_not_lose_the_request(site: Site) -> None:
    """Who is proven to have written is opted out of what the address stands for."""
    token = site.token()
    damaged = ("b" if token[20] == "a" else "a").join((token[:20], token[21:]))
    send(site, letter(), f"unsub+{damaged}@acme.example", f"unsub+{token[:-1]}@acme.example")
    assert site.held() == [("acme", "unsubscribe", "mail")]


def test_mail_to_the_address_of_a_stream_is_about_that_stream(site: Site) -> None:
    """It stands in List-Unsubscribe of mail to several people; even if the mail program marks it as automatic."""
    send(site, letter(subject="", headers=AUTOMATIC), "unsub+zenith.news@example.com")
    assert site.held() == [("zenith.news", "unsubscribe", "mail")]


@pytest.mark.parametrize(
    ("address", "scope"),
    [("unsub@example.com", "*"), ("unsub@acme.example", "acme"), ("unsub+no.such.stream@acme.example", "acme")],
)
def test_mail_to_a_plain_address_is_about_whoever_the_address_is_of(site: Site, address: str, scope: str) -> None:
    """The site's means everything."""
    send(site, letter(subject="", body=""), address)
    assert site.held() == [(scope, "unsubscribe", "mail")]


@pytest.mark.parametrize(
    "body", ["Please remove me from your list.", "STOP", "Bitte abmelden!", f"Unsubscribe me please.{QUOTED}"]
)
def test_a_request_in_words_is_understood_at_a_privacy_address(site: Site, body: str) -> None:
    """In the person's own words, in several languages."""
    send(site, letter(subject="Re: Newsletter", body=f"{body}\r\n"), "privacy@acme.example")
    assert site.held() == [("acme", "unsubscribe", "mail")]


@pytest.mark.parametrize("address", ["privacy@acme.example", "unsub@acme.example"])
@pytest.mark.parametrize("body", ["How do I unsubscribe my colleague?", f"Please do not unsubscribe me.{QUOTED}"])
def test_what_is_unclear_is_kept_for_somebody_to_read(site: Site, sink: Sink, address: str, body: str) -> None:
    """With the person's own words, not what they quoted; the same mail again is not kept twice."""
    for _ in range(2):
        send(site, letter(subject="Re: Newsletter", body=f"{body}\r\n"), address)
    assert site.held() == []
    [(kind, scope, words, who)] = site.rows("SELECT kind, scope, words, address FROM review")
    assert (kind, scope, who) == ("unclear", "acme", "ann@example.org")
    assert words == body.removesuffix(QUOTED)
    assert sink.messages == []


@pytest.mark.parametrize(
    "content",
    [
        letter(subject="Lunch?", body="See you at noon.\r\n"),
        letter(subject="Re: Newsletter", body=f"Thank you.{QUOTED}"),
        letter(subject="unsubscribe", headers=AUTOMATIC),
        letter(subject="Out of office", body="Unsubscribe\r\n", headers={"Precedence": "auto_reply"}),
    ],
    ids=["other", "thanks", "automatic", "vacation"],
)
def test_a_privacy_address_takes_other_mail_without_doing_anything(site: Site, sink: Sink, content: bytes) -> None:
    """People write there about anything, and so do machines."""
    send(site, content, "privacy@acme.example")
    assert (site.held(), site.rows("SELECT * FROM review"), sink.messages) == ([], [], [])


def test_anything_else_to_the_unsubscribe_address_is_kept(site: Site) -> None:
    """The address is there for requests; one in a language that is not understood must not be lost."""
    send(site, letter(subject="Hej", body="Avsluta utskicken, tack.\r\n"), "unsub@example.com")
    assert site.rows("SELECT kind, scope, words FROM review") == [("unclear", "*", "Avsluta utskicken, tack.")]


def test_a_sender_who_is_not_proven_is_asked_and_confirms_by_a_mail(site: Site, sink: Sink) -> None:
    """With the manners of RFC 3834: from nobody, marked as a reply, in the thread of the mail."""
    content = letter(proven=False, headers={"Message-ID": "<one@example.org>", "References": "<zero@example.org>"})
    send(site, content, "unsub+acme.newsletter@example.com")
    assert site.held() == []
    [question] = sink.wait()
    asked = parsed(question.content)
    assert (question.mail_from, question.rcpt_tos) == ("", ("ann@example.org",))
    assert asked["Auto-Submitted"] == "auto-replied"
    assert asked["In-Reply-To"] == "<one@example.org>"
    assert asked["References"] == "<zero@example.org> <one@example.org>"
    assert asked["From"] == "unsub@example.com"
    text = asked.get_content()
    assert "Weekly newsletter, Acme Ltd" in text
    assert "https://u.acme.example/u/" in text
    confirming = str(asked["Reply-To"])
    assert f"mailto:{confirming}" in text
    send(site, letter(subject="Re: Please confirm", headers=AUTOMATIC), confirming)
    assert site.held() == []  # an answering machine confirms nothing
    send(site, letter(subject="Re: Please confirm", body="yes\r\n", proven=False), confirming)
    assert site.held() == [("acme.newsletter", "unsubscribe", "mail")]


@pytest.mark.parametrize(("address", "scope"), [("unsub@example.com", "*"), ("privacy@acme.example", "acme")])
def test_a_confirmation_is_about_what_was_asked_for(site: Site, sink: Sink, address: str, scope: str) -> None:
    """An organisation, or everything: the token names these as well."""
    send(site, letter(proven=False), address)
    send(site, letter(proven=False), str(parsed(sink.wait()[0].content)["Reply-To"]))
    assert site.held() == [(scope, "unsubscribe", "mail")]


def test_a_person_is_asked_once_a_day_about_the_same(site: Site, sink: Sink) -> None:
    """Who sends in another's name must not make us fill their mailbox."""
    for _ in range(3):
        send(site, letter(proven=False), "unsub@acme.example")
    assert len(sink.wait()) == 1
    send(site, letter(proven=False), "unsub+zenith.news@example.com")
    assert len(sink.wait(2)) == 2
    site.clock.at = NOON.replace(day=2, hour=13)
    send(site, letter(proven=False), "unsub@acme.example")
    assert len(sink.wait(3)) == 3


@pytest.mark.parametrize(
    ("content", "sender"),
    [
        (letter(proven=False), ""),
        (letter(proven=False, headers=AUTOMATIC), "ann@example.org"),
        (letter(proven=False, headers={"Precedence": "bulk"}), "ann@example.org"),
        (letter(proven=False, headers={"List-Id": "<list.example.org>"}), "ann@example.org"),
        (letter(proven=False, sender="unsub@acme.example"), "ann@example.org"),
    ],
    ids=["null-sender", "auto-submitted", "bulk", "list", "ourselves"],
)
def test_machines_are_never_asked(site: Site, sink: Sink, content: bytes, sender: str) -> None:
    """RFC 3834 section 2: else two machines could write to each other for ever."""
    send(site, content, "unsub@example.com", sender=sender)
    assert (site.held(), sink.messages) == ([], [])


def test_who_has_opted_out_already_is_not_asked(site: Site, sink: Sink) -> None:
    """In that scope or a wider one."""
    send(site, letter(), "unsub@acme.example")
    send(site, letter(proven=False), "unsub+acme.offers@example.com", "unsub@acme.example")
    assert sink.messages == []


def test_a_question_that_cannot_be_sent_is_sent_when_the_mail_comes_again(site: Site, sink: Sink) -> None:
    """451, so that Postfix comes again; it does not count as asked."""
    sink.refuse("ann@example.org", "451 4.2.0 not now")
    send(site, letter(proven=False), "unsub@example.com", code=451)
    sink.refuse("ann@example.org", "250 2.1.5 OK")
    assert site.rows("SELECT * FROM confirmation") == []


def test_a_question_that_is_refused_for_good_is_told_to_the_sender(site: Site, sink: Sink) -> None:
    """To try again would be in vain, and silence would look like success."""
    sink.refuse("ann@example.org")
    send(site, letter(proven=False), "unsub@example.com", code=554)
    assert site.rows("SELECT * FROM confirmation") == []


def test_where_our_mail_server_is_away_the_mail_waits(start: Start) -> None:
    """Nobody listens there."""
    site = start(intake={"submit": "127.0.0.1:1"})
    send(site, letter(proven=False), "unsub@example.com", code=451)
    assert site.rows("SELECT * FROM confirmation") == []


def test_without_a_sender_for_questions_the_request_is_kept(start: Start) -> None:
    """Somebody has to find out whether it was the person."""
    site = start(intake={"sender": None})
    send(site, letter(proven=False, body="Unsubscribe me.\r\n"), "unsub@example.com")
    assert site.rows("SELECT kind, scope, words FROM review") == [("unproven", "*", "Unsubscribe me.")]


@pytest.mark.parametrize(
    "results",
    [
        None,
        "mx.evil.example; dkim=pass header.d=example.org",
        "mx.example.com; dkim=fail header.d=example.org",
        "mx.example.com; dkim=pass header.d=evil.example",
        "mx.example.com; spf=pass smtp.mailfrom=ann@evil.example",
    ],
)
def test_only_our_own_servers_word_for_the_senders_domain_proves_a_sender(site: Site, results: str | None) -> None:
    """RFC 8601."""
    headers = {"Authentication-Results": results} if results else {}
    send(site, letter(proven=False, headers=headers), "unsub@example.com", "privacy@example.com")
    assert site.held() == []


def test_mail_without_a_usable_sender_is_told_so(site: Site) -> None:
    """Two addresses in From, or none: nobody could be opted out, and a person should hear that."""
    for sender in ("ann@example.org, eve@example.org", "undisclosed"):
        send(site, letter(sender=sender, proven=False), "unsub@example.com", code=554)
    assert site.rows() == []
