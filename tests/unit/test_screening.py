"""Screen one message: who is refused when, and what becomes of the rest."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from consentmilter import tokens
from consentmilter.keys import subject_of
from consentmilter.model import Mode, Reason
from consentmilter.policy.mail import Principal
from consentmilter.policy.settle import Pass
from consentmilter.service.desk import Record
from consentmilter.service.ending import Ending
from consentmilter.service.screening import Screening
from tests.unit.dialogue import STREAMS, Ended, Mail, Mta, site
from tests.unit.growth import RUNS, grows_linearly
from tests.unit.making import NOW, RING

A, B, C = "<a@example.com>", "<b@example.com>", "<c@other.example>"
LINK = "<https://u.example.com/u/"


def claiming(mta: Mta, stream: str, *, login: str = "anybody") -> Mail:
    """A message whose stream only its header tells."""
    mail = mta.mail(login=login)
    mail.header("X-Stream", stream)
    return mail


def token_in(ended: Ended) -> tokens.Token:
    """The token of the link that was added."""
    [value] = ended.added("List-Unsubscribe")
    assert value.startswith(LINK)
    text = value.removeprefix(LINK).partition(">")[0]
    assert f"<mailto:unsub+{text}@example.com>" in value
    return tokens.read(text, tokens.Purpose.UNSUBSCRIBE, RING)


# At RCPT: the envelope tells the stream


def test_who_opted_out_is_refused_at_rcpt_and_the_others_get_the_mail() -> None:
    """The normal case: one 550 for one recipient, with everything the sender needs to know."""
    mta = Mta()
    mta.opted_out("a@example.com", "acme.newsletter")
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt(A).expects(
        "550",
        '<a@example.com>: opted out of "Weekly newsletter" (acme.newsletter) by unsubscribe on 2026-02-01; '
        "remove this address from your list [ref1]",
    )
    mail.rcpt(B).expects()
    assert token_in(mail.end().expects()).subject == subject_of("b@example.com", RING)
    assert mta.told() == {A: ("reject", "unsubscribe"), B: ("accept", None)}


@pytest.mark.parametrize("who", ["example.com", ".com", "A@EXAMPLE.com"])
def test_a_suppressed_domain_or_parent_domain_refuses_everybody_in_it(who: str) -> None:
    """And a person however it was written."""
    mta = Mta()
    mta.opted_out(who)
    mta.mail(login="acme.newsletter").rcpt(A).expects("550")


def test_an_opt_out_of_another_stream_or_one_that_expired_refuses_nothing() -> None:
    """Scopes and times are as exact as the person was."""
    mta = Mta()
    mta.opted_out("a@example.com", "acme.whole")
    mta.opted_out("a@example.com", "acme", expires=NOW - timedelta(days=1))
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt(A).expects()
    mail.end().expects()
    assert mta.told() == {A: ("accept", None)}


def test_exempt_mail_reaches_who_opted_out_and_the_bypass_is_recorded() -> None:
    """A security patch by the login that may send them; no unsubscribe header."""
    mta = Mta()
    mta.opted_out("a@example.com", reason=Reason.COMPLAINT)
    mail = mta.mail(login="acme.security")
    mail.rcpt(A).expects()
    assert mail.end().expects().edits == ()
    [record] = mta.records
    assert (record.verdict, record.reason, record.bypassed, record.right) == ("accept", "complaint", True, "login")
    assert not record.plain


def test_exempt_mail_is_refused_for_a_reason_that_it_does_not_bypass() -> None:
    """A dead mailbox."""
    mta = Mta()
    mta.opted_out("a@example.com", reason=Reason.HARD_BOUNCE)
    mail = mta.mail(login="acme.security")
    mail.rcpt(A).expects("550", "undeliverable, suppressed for")
    [record] = mta.records
    assert (record.verdict, record.bypassed) == ("reject", False)


def test_a_stream_may_defer() -> None:
    """With a 450 at RCPT."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = mta.mail(login="acme.deferred")
    mail.rcpt(A).expects("450", "waits")
    mail.rcpt(B).expects()
    mail.end().expects()
    assert mta.told() == {A: ("defer", "unsubscribe"), B: ("accept", None)}


@pytest.mark.parametrize("stream", ["acme.tagged", "acme.held", "acme.removed"])
def test_what_can_only_be_done_at_the_end_is_not_done_at_rcpt(stream: str) -> None:
    """Tag, hold and removal."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mta.mail(login=stream).rcpt(A).expects()


def test_postfix_says_who_gets_the_mail() -> None:
    """Where it reads another address out of RCPT than what stands there, that person's opt-out counts."""
    mta = Mta()
    mta.opted_out("a@example.com")
    for raw in ("<a(x)@example.com>", "<example.com!a>", "<a%example.com@mx.acme.example>", '<"a@example.com">'):
        mta.mail(login="acme.newsletter").rcpt(raw, "a@example.com").expects("550")


def test_an_empty_recipient_cannot_be_read() -> None:
    """With or without what Postfix makes of it."""
    for raw in ("", "<>", "< >"):
        Mta().mail(login="acme.newsletter").rcpt(raw).expects("553")


def test_a_recipient_written_in_an_odd_way_is_not_removed() -> None:
    """A removal could miss, so the message is refused."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = claiming(mta, "acme.newsletter")
    mail.rcpt("<a(x)@example.com>", "a@example.com").expects()
    mail.rcpt(B).expects()
    mail.end().expects("550")


def test_the_envelope_is_looked_up_once_a_recipient() -> None:
    """And not again at the end."""
    mta = Mta()
    mail = mta.mail(login="acme.newsletter")
    for raw in (A, B, C):
        mail.rcpt(raw).expects()
    mail.end().expects()
    assert mta.asked == 3


# At the end: the header tells the stream


def test_if_everybody_opted_out_the_message_is_refused_at_its_end() -> None:
    """With the names in the reply."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mta.opted_out("b@example.com")
    mail = claiming(mta, "acme.newsletter")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    mail.end().expects("550", "<a@example.com>, <b@example.com>: opted out of all marketing mail")
    assert mta.told() == {A: ("reject", "unsubscribe"), B: ("reject", "unsubscribe")}
    assert mta.asked == 1


def test_if_some_opted_out_they_are_removed() -> None:
    """As the MTA gave them; who is left alone gets a link of its own."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = claiming(mta, "acme.newsletter")
    mail.rcpt("<A@Example.com>").expects()
    mail.rcpt(B).expects()
    ended = mail.end().expects(remove=["<A@Example.com>"])
    assert token_in(ended).subject == subject_of("b@example.com", RING)
    assert mta.told() == {"<A@Example.com>": ("remove", "unsubscribe"), B: ("accept", None)}


def test_if_some_opted_out_the_message_is_refused_where_the_stream_says_so() -> None:
    """The others are recorded as refused for the sake of these."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = claiming(mta, "acme.whole")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    mail.end().expects("550", "<a@example.com>: opted out")
    assert mta.told() == {A: ("reject", "unsubscribe"), B: ("reject", "mixed")}


def test_who_is_refused_for_the_sake_of_others_is_not_recorded_as_bypassed() -> None:
    """Exempt mail to one who opted out and one who must not get any."""
    mta = Mta(site(streams={**STREAMS, "acme.security": {"category": "security-patch", "mixed": "reject"}}))
    mta.opted_out("a@example.com", reason=Reason.LEGAL)
    mta.opted_out("b@example.com")
    mail = claiming(mta, "acme.security")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    mail.end().expects("550")
    assert mta.told() == {A: ("reject", "legal"), B: ("reject", "mixed")}
    assert [record.bypassed for record in mta.records] == [False, False]


def test_a_recipient_that_cannot_be_named_to_postfix_makes_it_refuse_the_message() -> None:
    """Octets that are no UTF-8 can be looked up, but not removed."""
    mta = Mta()
    odd = "<\udcff\udc80@example.com>"
    mta.opted_out(odd)
    mail = claiming(mta, "acme.newsletter")
    mail.rcpt(odd).expects()
    mail.rcpt(B).expects()
    mail.end().expects("550", "<??@example.com>: opted out")
    mta.mail(login="acme.newsletter").rcpt(odd).expects("550", "<??@example.com>: opted out")


# What a stream does


def test_a_tag_names_the_stream_and_nobody() -> None:
    """Everybody gets the mail, with a header for the sender's own system."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = mta.mail(login="acme.tagged")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    ended = mail.end().expects()
    assert ended.added("X-Consent-Status") == ["opted-out; stream=acme.tagged"]
    assert not any("example.com" in value for value in ended.added("X-Consent-Status"))
    assert mta.told() == {A: ("tag", "unsubscribe"), B: ("accept", None)}


def test_mail_that_nobody_opted_out_of_is_not_tagged() -> None:
    """Nor held."""
    for stream in ("acme.tagged", "acme.held"):
        mail = Mta().mail(login=stream)
        mail.rcpt(A).expects()
        assert mail.end().expects().added("X-Consent-Status") == []


def test_a_message_is_held_if_everybody_opted_out() -> None:
    """Else the others would wait with it, so these are removed."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = mta.mail(login="acme.held")
    mail.rcpt(A).expects()
    mail.end().expects(hold=True)
    mail = mta.mail(login="acme.held")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    mail.end().expects(remove=[A])
    assert [record.verdict for record in mta.records] == ["hold", "remove", "accept"]


def test_removal_refuses_a_message_to_nobody_else() -> None:
    """Postfix would answer 250 and lose it."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = mta.mail(login="acme.removed")
    mail.rcpt(A).expects()
    mail.end().expects("550")
    assert mta.told() == {A: ("reject", "unsubscribe")}


def test_split_asks_for_one_recipient_a_message() -> None:
    """452 for another person, not for the same one again; the client comes again, so nothing is recorded of it."""
    mta = Mta()
    mail = mta.mail(login="acme.split")
    mail.rcpt(A).expects()
    mail.rcpt("<A@EXAMPLE.COM>").expects()
    mail.rcpt(B).expects("452", "one recipient a message")
    assert token_in(mail.end().expects()).subject == subject_of("a@example.com", RING)
    assert set(mta.told()) == {A, "<A@EXAMPLE.COM>"}


def test_split_does_not_count_who_was_refused() -> None:
    """The next person is the first."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = mta.mail(login="acme.split")
    mail.rcpt(A).expects("550")
    mail.rcpt(B).expects()


def test_several_recipients_are_refused_where_the_stream_says_so() -> None:
    """At RCPT where the envelope tells the stream, else at the end."""
    mta = Mta()
    mail = mta.mail(login="acme.single")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects("550", "must have one recipient a message")
    mail.end().expects()
    assert mta.told() == {A: ("accept", None), B: ("reject", "several-recipients")}
    mta = Mta()
    mail = claiming(mta, "acme.single")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    mail.end().expects("550", "must have one recipient a message")
    assert set(mta.told().values()) == {("reject", "several-recipients")}


def test_several_recipients_get_no_token() -> None:
    """One person's link must never reach another: the mailto form with the stream's name, and a notice."""
    mta = Mta()
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    ended = mail.end().expects()
    assert ended.added("List-Unsubscribe") == ["<mailto:unsub+acme.newsletter@example.com>"]
    assert ended.added("List-Unsubscribe-Post") == []
    assert mta.notices == [
        {"event": "several_recipients", "ref": "ref1", "queue_id": "4Xyz", "stream": "acme.newsletter", "recipients": 2}
    ]


def test_one_person_written_twice_is_one_person() -> None:
    """And gets the link."""
    mail = Mta().mail(login="acme.newsletter")
    mail.rcpt(A).expects()
    mail.rcpt('<"a"@Example.com>').expects()
    token = token_in(mail.end().expects())
    assert token == tokens.Token(
        tokens.Purpose.UNSUBSCRIBE, subject_of("a@example.com", RING), tokens.stream_hash("acme.newsletter"), NOW.date()
    )


def test_a_link_of_the_senders_own_is_kept_replaced_or_refused() -> None:
    """As the stream says."""
    for stream, code, deleted in (
        ("acme.newsletter", None, []),
        ("acme.replaced", None, [2, 1]),
        ("acme.linkless", "550", []),
    ):
        mail = Mta().mail(login=stream)
        mail.rcpt(A).expects()
        mail.header("List-Unsubscribe", "<https://theirs.example>")
        mail.header("List-Unsubscribe", "<mailto:theirs@theirs.example>")
        ended = mail.end().expects(code)
        assert ended.deleted("List-Unsubscribe") == deleted
        assert len(ended.added("List-Unsubscribe")) == (1 if deleted else 0)


# Mail from sendmail


def test_mail_from_sendmail_is_never_refused_before_its_end() -> None:
    """Postfix would take that for a configuration error and try for ever."""
    mta = Mta(site(classify=[{"listener": "sendmail", "stream": "acme.newsletter"}]))
    mta.opted_out("a@example.com")
    mail = mta.sendmail()
    mail.rcpt("a@example.com").expects()
    mail.end().expects("550", "<a@example.com>: opted out")
    assert mta.told() == {"a@example.com": ("reject", "unsubscribe")}


def test_mixed_mail_from_sendmail_is_refused_as_a_whole() -> None:
    """Since Postfix may silently ignore a removal there."""
    mta = Mta(site(classify=[{"listener": "sendmail", "stream": "acme.newsletter"}]))
    mta.opted_out("a@example.com")
    mail = mta.sendmail()
    mail.rcpt("a@example.com").expects()
    mail.rcpt("b@example.com").expects()
    mail.end().expects("550")
    assert mta.told() == {"a@example.com": ("reject", "unsubscribe"), "b@example.com": ("reject", "mixed")}


@pytest.mark.parametrize("multi", ["split", "reject", "generic"])
def test_several_recipients_from_sendmail_are_let_in_at_rcpt(multi: str) -> None:
    """At the end the stream's setting holds, as far as it can."""
    streams = {**STREAMS, "acme.newsletter": {"multi_recipient": multi}}
    mta = Mta(site(streams=streams, classify=[{"listener": "sendmail", "stream": "acme.newsletter"}]))
    mail = mta.sendmail()
    mail.rcpt("a@example.com").expects()
    mail.rcpt("b@example.com").expects()
    mail.end().expects("550" if multi == "reject" else None)


# The store is away


def test_without_the_store_marketing_waits() -> None:
    """451 at RCPT, or at the end where only the header tells; never a 5xx, and the cause goes to the log only."""
    mta = Mta()
    mta.away = True
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt(A).expects("451", "consent cannot be verified now, try again later [ref1]")
    late = claiming(mta, "acme.newsletter")
    late.rcpt(B).expects()
    late.end().expects("451")
    assert mta.told() == {A: ("defer", "store"), B: ("defer", "store")}
    assert mta.events() == ["store_unavailable", "store_unavailable"]
    assert mta.notices[0]["cause"] == "no answer within 2 s"


@pytest.mark.parametrize("stream", [name for name in STREAMS if name != "acme.security"])
def test_without_the_store_no_stream_but_an_exempt_one_is_delivered(stream: str) -> None:
    """Whatever its action: nobody gets mail that cannot be verified."""
    mta = Mta()
    mta.away = True
    mail = mta.mail(login=stream)
    mail.rcpt(A).expects("451")
    late = claiming(mta, stream)
    late.rcpt(A).expects()
    late.end().expects("451")


def test_without_the_store_exempt_mail_goes_unverified() -> None:
    """And says so in the record."""
    mta = Mta()
    mta.away = True
    mail = mta.mail(login="acme.security")
    mail.rcpt(A).expects()
    mail.end().expects()
    [record] = mta.records
    assert (record.verdict, record.reason, record.bypassed, record.plain) == ("accept", "store", False, False)


def test_mail_of_no_stream_never_touches_the_store() -> None:
    """`unclassified: pass`: it goes while the store is away, as ever."""
    mta = Mta()
    mta.away = True
    mail = mta.mail(login="colleague")
    mail.rcpt(A).expects()
    mail.end().expects()
    assert mta.asked == 0
    assert mta.told() == {A: ("accept", "no-stream")}
    assert mta.records[0].plain


def test_mail_of_no_stream_waits_for_the_store_where_it_is_enforced() -> None:
    """`unclassified: enforce`."""
    mta = Mta(site(unclassified="enforce"))
    mta.away = True
    mail = mta.mail(login="colleague")
    mail.rcpt(A).expects()
    mail.end().expects("451")


def test_what_was_verified_at_rcpt_stays_so() -> None:
    """The store going away before the end does no harm; coming back helps only the next recipients."""
    mta = Mta()
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt(A).expects()
    mta.away = True
    mail.rcpt(B).expects("451")
    mta.away = False
    mail.rcpt(C).expects()
    mail.end().expects()
    assert mta.told() == {A: ("accept", None), B: ("defer", "store"), C: ("accept", None)}


# Mail of no stream, and claims


def test_mail_of_no_stream_is_refused_where_it_is_unwanted() -> None:
    """At RCPT if no header could tell a stream, else at the end."""
    mta = Mta(site(unclassified="reject", bulk=False, classify=[{"login": "news", "stream": "acme.newsletter"}]))
    mta.mail(login="colleague").rcpt(A).expects("550", "belongs to no stream")
    assert mta.told() == {A: ("reject", "no-stream")}
    mta = Mta(site(unclassified="reject"))
    mail = mta.mail(login="colleague")
    mail.rcpt(A).expects()
    mail.end().expects("550", "belongs to no stream")
    assert mta.told() == {A: ("reject", "no-stream")}
    assert mta.asked == 0


def test_a_false_claim_is_marketing_and_told() -> None:
    """The message is treated as bulk mail: an opt-out holds, and the record names the claim."""
    mta = Mta()
    mta.opted_out("a@example.com")
    mail = claiming(mta, "acme.security", login="intern")
    mail.rcpt(A).expects()
    mail.end().expects("550", "opted out")
    [record] = mta.records
    assert (record.stream, record.false_claim, record.verdict) == ("bulk", "acme.security", "reject")


def test_a_false_claim_is_refused_where_the_site_says_so() -> None:
    """Whoever the recipient is."""
    mta = Mta(site(false_claim="reject"))
    mail = claiming(mta, "acme.security", login="intern")
    mail.rcpt(A).expects()
    mail.end().expects("550", "you may not send mail as acme.security")
    assert mta.told() == {A: ("reject", "false-claim")}


def test_a_false_claim_that_is_accepted_is_no_plain_accept() -> None:
    """It goes to the journal."""
    mta = Mta()
    mail = claiming(mta, "acme.security", login="intern")
    mail.rcpt(A).expects()
    mail.end().expects()
    assert [(record.verdict, record.plain) for record in mta.records] == [("accept", False)]


# Inbound mail


def test_inbound_mail_passes_without_a_look_up_or_an_edit() -> None:
    """Port 25 has the same milters."""
    mta = Mta(site(unclassified="reject"))
    mta.opted_out("a@example.com")
    mail = mta.mail(listener="smtp")
    mail.rcpt(A).expects()
    mail.rcpt("<>").expects()
    for name in ("List-Unsubscribe", "X-Consent-Status", "X-Consent-Route", "X-Stream"):
        mail.header(name, "acme.newsletter")
    assert mail.end().ending == Ending()
    assert (mta.asked, mta.records, mta.notices) == (0, [], [])


@pytest.mark.parametrize(
    ("principal", "outbound"),
    [
        (Principal("a", ip_address("192.0.2.1"), "smtp"), True),
        (Principal(None, ip_address("127.0.0.1"), "smtp"), True),
        (Principal(None, ip_address("10.0.0.1"), "smtp"), False),
        (Principal(None, None, "before"), True),
        (Principal(None, None, "behind"), True),
    ],
)
def test_the_loops_listeners_are_outbound(principal: Principal, outbound: bool) -> None:
    """As are logins and loopback."""
    looped = Mta(site(loop={"first": "before", "second": "behind"}))
    assert Screening(looped.desk, principal, "<a@b.example>").outbound is outbound


# Addresses that cannot be read


def test_an_address_that_cannot_be_read_is_refused_at_rcpt() -> None:
    """The others go on."""
    mta = Mta()
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt("<a\x01@example.com>").expects("553", "cannot be read")
    mail.rcpt(A).expects()
    assert token_in(mail.end().expects()).subject == subject_of("a@example.com", RING)
    assert mta.told() == {A: ("accept", None)}


def test_an_address_that_cannot_be_read_from_sendmail_refuses_the_message_at_its_end() -> None:
    """Since it must not be refused before."""
    mta = Mta(site(classify=[{"listener": "sendmail", "stream": "acme.newsletter"}]))
    mail = mta.sendmail()
    mail.rcpt("a\x01@example.com").expects()
    mail.rcpt("a@example.com").expects()
    mail.end().expects("553", "cannot be read")
    assert mta.told() == {"a@example.com": ("reject", "bad-address")}


@pytest.mark.parametrize(("site_mode", "stream_mode"), [("observe", "enforce"), ("enforce", "observe")])
@pytest.mark.parametrize("by_login", [True, False])
def test_an_address_that_cannot_be_read_is_a_matter_of_the_streams_mode(
    site_mode: str, stream_mode: str, by_login: bool
) -> None:
    """Where the envelope or, in an observing site, the header tells the stream."""
    mta = Mta(site(mode=site_mode, streams={**STREAMS, "acme.newsletter": {"mode": stream_mode}}))
    mail = mta.mail(login="acme.newsletter") if by_login else claiming(mta, "acme.newsletter")
    refused = "553" if stream_mode == "enforce" else None
    at_rcpt = refused if by_login else "553" if site_mode == "enforce" else None
    mail.rcpt("<a\x01@example.com>").expects(at_rcpt)
    mail.rcpt(A).expects()
    mail.end().expects(None if at_rcpt else refused)


def test_an_address_that_cannot_be_read_is_let_in_while_observing() -> None:
    """And nobody's link goes to it."""
    streams = {**STREAMS, "acme.newsletter": {"unsubscribe_header": True}}
    mta = Mta(site(mode="observe", streams=streams))
    mail = mta.mail(login="acme.newsletter")
    mail.rcpt("<a\x01@example.com>").expects()
    mail.rcpt(A).expects()
    assert mail.end().expects().added("List-Unsubscribe") == ["<mailto:unsub+acme.newsletter@example.com>"]


@pytest.mark.parametrize("sender", ["<>", "", "<\x01>", "<\udcff@b.example>", "<a@>", "<MAILER-DAEMON>"])
def test_any_sender_will_do(sender: str) -> None:
    """The null sender and what no rule will match."""
    mail = Mta().mail(sender, login="acme.newsletter")
    mail.rcpt(A).expects()
    mail.end().expects()


# Foreign fields of ours


def test_a_forged_status_does_not_leave_the_system() -> None:
    """Whoever put it there, and in whatever stream."""
    for login in ("acme.newsletter", "acme.security", "colleague", "acme.tagged"):
        mta = Mta()
        mta.opted_out("a@example.com", "acme.tagged")
        mail = mta.mail(login=login)
        mail.rcpt(A).expects()
        for value in ("opted-out; stream=forged", "again"):
            mail.header("X-Consent-Status", value)
        mail.header("X-Consent-Route", "forged")
        ended = mail.end().expects()
        assert ended.deleted("X-Consent-Status") == [2, 1]
        assert ended.deleted("X-Consent-Route") == [1]
        assert len(ended.added("X-Consent-Status")) == (login == "acme.tagged")


# What is recorded


def test_a_record_says_who_what_why_and_by_which_right() -> None:
    """Everything that log and journal tell."""
    mta = Mta()
    mta.opted_out("example.com", "acme", Reason.COMPLAINT)
    mail = mta.mail("<News@Acme.example>", login="acme.newsletter")
    mail.screening.queue_id = "early"
    mail.rcpt("<A@Example.com>").expects("550")
    assert mta.records == [
        Record(
            ref="ref1",
            queue_id="early",
            principal=Principal("acme.newsletter", ip_address("192.0.2.1"), "submission"),
            sender="<News@Acme.example>",
            recipient="<A@Example.com>",
            subject=subject_of("a@example.com", RING),
            verdict="reject",
            reason="complaint",
            bypassed=False,
            scope="acme",
            stream="acme.newsletter",
            category="marketing",
            rule=1,
            right="login",
            false_claim=None,
            stage=Pass.ONLY,
            mode=Mode.ENFORCE,
        )
    ]


def test_no_state_is_shared_between_messages() -> None:
    """Two messages at once over one desk do not see each other."""
    mta = Mta()
    mta.opted_out("a@example.com")
    one, other = mta.mail(login="acme.newsletter"), claiming(mta, "acme.newsletter")
    one.rcpt(B).expects()
    other.rcpt(A).expects()
    one.header("List-Unsubscribe", "<https://theirs.example>")
    assert one.end().expects().edits == ()
    other.end().expects("550", "<a@example.com>")
    assert mta.told() == {B: ("accept", None), A: ("reject", "unsubscribe")}
    assert [record.ref for record in mta.records] == ["ref1", "ref2"]


def test_a_message_to_very_many_is_settled_in_linear_time() -> None:
    """Postfix lets in 1,000 recipients a message by default."""

    def make(people: int) -> list[Mail]:
        mta = Mta()
        mails = [claiming(mta, "acme.whole") for _ in range(RUNS)]
        for number in range(people):
            mta.opted_out(f"p{number}@h.example")
            for mail in mails:
                mail.rcpt(f"<p{number}@h.example>").expects()
        return mails

    assert grows_linearly(lambda mails: mails.pop().end().expects("550"), make, 150)
