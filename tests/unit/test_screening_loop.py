"""The two passes of a site that sends each recipient a message of its own."""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address

import pytest

from consentmilter.headers import Add
from consentmilter.keys import subject_of
from consentmilter.policy.mail import Client
from consentmilter.policy.settle import Pass
from tests.unit.dialogue import STREAMS, Ended, Mail, Mta, site
from tests.unit.making import OTHER_RING, RING

A, B = "<a@example.com>", "<b@example.com>"
LOOPBACK = ip_address("127.0.0.1")
LOOP = {"first": "before*", "second": "behind"}
SITE = site(loop=LOOP)
ID = "<1@acme.example>"


def first(mta: Mta, login: str = "acme.newsletter", message_id: str | None = ID) -> Mail:
    """A message on the listener before the split."""
    mail = mta.mail(login=login, listener="before-1")
    if message_id:
        mail.header("Message-ID", message_id)
    return mail


def second(
    mta: Mta,
    *routes: str,
    sender: str = "<news@acme.example>",
    message_id: str | None = ID,
    client: Client | None = LOOPBACK,
) -> Mail:
    """A message on the listener behind it, with these routes in its header."""
    mail = mta.mail(sender, client=client, listener="behind")
    for route in routes:
        mail.header("X-Consent-Route", route)
    if message_id:
        mail.header("Message-ID", message_id)
    return mail


def route_of(ended: Ended) -> str:
    [route] = ended.added("X-Consent-Route")
    return route


def routed(mta: Mta, login: str = "acme.newsletter", message_id: str | None = ID) -> str:
    """The route that the first pass gives a message to two people."""
    mail = first(mta, login, message_id)
    mail.rcpt(A).expects()
    mail.rcpt(B).expects()
    return route_of(mail.end().expects())


def test_the_first_pass_refuses_and_the_second_adds_the_link() -> None:
    """Each recipient gets a header of its own, and every link works in one click."""
    mta = Mta(SITE)
    mta.opted_out("c@example.com")
    mail = first(mta)
    mail.rcpt(A).expects()
    mail.rcpt("<c@example.com>").expects("550")
    mail.rcpt(B).expects()
    ended = mail.end().expects()
    assert [edit.name for edit in ended.edits] == ["X-Consent-Route"]
    for raw in (A, B):
        copy = second(mta, route_of(ended))
        copy.rcpt(raw).expects()
        result = copy.end().expects()
        assert result.deleted("X-Consent-Route") == [1]
        assert result.added("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
        assert mta.records[-1].subject == subject_of(raw.strip("<>"), RING)
        assert (mta.records[-1].stage, mta.records[-1].right) == (Pass.SECOND, "login")
    assert mta.events() == []


def test_the_second_pass_checks_again() -> None:
    """Who opted out while the message waited between the passes does not get it."""
    mta = Mta(SITE)
    route = routed(mta)
    mta.opted_out("a@example.com")
    copy = second(mta, route)
    copy.rcpt(A).expects()
    copy.end().expects("550", "opted out")


@pytest.mark.parametrize("multi", ["generic", "split", "reject"])
def test_the_first_pass_takes_several_recipients_whatever_the_stream_says(multi: str) -> None:
    """That is what the split is for."""
    streams = {**STREAMS, "acme.newsletter": {"multi_recipient": multi}}
    routed(Mta(site(loop=LOOP, streams=streams)))


@pytest.mark.parametrize(("stream", "hold", "tagged"), [("acme.held", True, 0), ("acme.tagged", False, 1)])
def test_each_copy_is_held_or_tagged_on_its_own(stream: str, hold: bool, tagged: int) -> None:
    """Nothing is done to the others."""
    mta = Mta(SITE)
    mta.opted_out("a@example.com")
    route = routed(mta, stream)
    assert [record.verdict for record in mta.records] == ["accept", "accept"]
    copy = second(mta, route)
    copy.rcpt(A).expects()
    ended = copy.end().expects(hold=hold)
    assert len(ended.added("X-Consent-Status")) == tagged
    other = second(mta, route)
    other.rcpt(B).expects()
    assert other.end().expects().added("X-Consent-Status") == []


def test_the_right_to_exempt_mail_goes_through_the_loop() -> None:
    """The second pass sees loopback and no login."""
    mta = Mta(SITE)
    mta.opted_out("a@example.com")
    copy = second(mta, routed(mta, "acme.security"))
    copy.rcpt(A).expects()
    copy.end().expects()
    assert (mta.records[-1].verdict, mta.records[-1].bypassed, mta.records[-1].right) == ("accept", True, "login")


def test_mail_of_no_stream_goes_through_the_loop_untouched() -> None:
    """And without a look-up; its route is taken off again."""
    mta = Mta(SITE)
    copy = second(mta, routed(mta, "colleague"))
    copy.rcpt(A).expects()
    ended = copy.end().expects()
    assert [edit.name for edit in ended.edits] == ["X-Consent-Route"]
    assert mta.asked == 0


def test_a_foreign_route_is_removed_by_the_first_pass() -> None:
    """Only the first pass's own is left."""
    mta = Mta(SITE)
    mail = first(mta)
    mail.rcpt(A).expects()
    for _ in range(2):
        mail.header("X-Consent-Route", "stream=acme.security; right=login; t=0; k=0; id=yes; tag=0")
    edits = mail.end().expects().edits
    assert [edit for edit in edits if isinstance(edit, Add)] == list(edits[2:])
    assert len(edits) == 3


FORGERIES: dict[str, Callable[[str], list[str]]] = {
    "none": lambda _: [],
    "two": lambda good: [good, good],
    "two, one of them forged": lambda good: [good, good.replace("newsletter", "security")],
    "another stream": lambda good: [good.replace("newsletter", "security")],
    "another tag": lambda good: [good[:-1] + ("0" if good[-1] != "0" else "1")],
    "no tag": lambda good: [good.partition("; tag")[0]],
    "nothing in it": lambda _: [""],
    "odd octets": lambda _: ["\udcff; \ud800=\x00"],
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_missing_doubled_or_forged_route_is_deferred(forgery: str) -> None:
    """451: the fault is in the set-up, and the mail waits. The cause goes to the log."""
    mta = Mta(SITE)
    good = routed(mta)
    recorded = len(mta.records)
    copy = second(mta, *FORGERIES[forgery](good))
    copy.rcpt(A).expects()
    copy.end().expects("451", "no valid X-Consent-Route from the first pass [ref2]")
    assert mta.events() == ["route_refused"]
    assert len(mta.records) == recorded


def test_a_route_is_good_for_its_own_message_time_and_key_only() -> None:
    """Copied into another message it is worth nothing."""
    mta = Mta(SITE)
    good = routed(mta)
    for mail in (
        second(mta, good, sender="<other@acme.example>"),
        second(mta, good, message_id="<2@acme.example>"),
        second(mta, routed(Mta(SITE, OTHER_RING))),
    ):
        mail.rcpt(A).expects()
        mail.end().expects("451")
    mta.now += timedelta(days=15)
    late = second(mta, good)
    late.rcpt(A).expects()
    late.end().expects("451")
    assert [notice["cause"] for notice in mta.notices] == ["the route was not made for this message"] * 3 + [
        "the route is out of its time"
    ]


def test_the_spelling_of_the_sender_may_change_between_the_passes() -> None:
    """Its canonical form is what counts; and Postfix may add a Message-ID."""
    mta = Mta(SITE)
    copy = second(mta, routed(mta, message_id=None), sender="<NEWS@Acme.Example>", message_id="<added@mx.example>")
    copy.rcpt(A).expects()
    copy.end().expects()


@pytest.mark.parametrize("client", [ip_address("192.0.2.1"), ip_address("10.0.0.1"), None])
def test_the_listener_behind_the_loop_is_for_loopback_only(client: Client | None) -> None:
    """Even with a good route: whoever reaches it from outside gets nothing through."""
    mta = Mta(SITE)
    copy = second(mta, routed(mta), client=client)
    copy.rcpt(A).expects()
    copy.end().expects("451")
    assert mta.notices[-1]["cause"] == f"the listener behind the loop was reached from {client}, not from loopback"


def test_a_route_to_a_stream_that_is_gone_is_deferred() -> None:
    """Until somebody sees the log line; the mail is not let through unchecked."""
    mta = Mta(SITE)
    good = routed(mta, "acme.whole")
    streams = {name: part for name, part in STREAMS.items() if name != "acme.whole"}
    later = Mta(site(loop=LOOP, streams=streams, classify=[]))
    copy = second(later, good)
    copy.rcpt(A).expects()
    copy.end().expects("451")
    assert later.notices[-1]["cause"] == "the route leads to acme.whole, which is not set up here"


def test_a_route_is_worth_nothing_on_any_other_listener() -> None:
    """There the login counts, and the route is removed."""
    mta = Mta(SITE)
    mail = mta.mail(login="acme.newsletter")
    mail.header("X-Consent-Route", routed(mta, "acme.security"))
    mail.header("Message-ID", ID)
    mail.rcpt(A).expects()
    ended = mail.end().expects()
    assert ended.deleted("X-Consent-Route") == [1]
    assert mta.records[-1].stream == "acme.newsletter"


def test_without_the_store_the_second_pass_defers_marketing() -> None:
    """It waits in the queue between the passes."""
    mta = Mta(SITE)
    marketing, exempt = routed(mta), routed(mta, "acme.security")
    mta.away = True
    copy = second(mta, marketing)
    copy.rcpt(A).expects()
    copy.end().expects("451")
    copy = second(mta, exempt)
    copy.rcpt(A).expects()
    copy.end().expects()


def test_observing_the_loop_changes_nothing_but_its_own_field() -> None:
    """The route has to be there for the second pass, which takes it off."""
    mta = Mta(site(loop=LOOP, mode="observe"))
    mta.opted_out("a@example.com")
    mail = first(mta)
    mail.rcpt(A).expects()
    ended = mail.end().expects()
    assert [edit.name for edit in ended.edits] == ["X-Consent-Route"]
    copy = second(mta, route_of(ended))
    copy.rcpt(A).expects()
    ended = copy.end().expects()
    assert [edit.name for edit in ended.edits] == ["X-Consent-Route"]
    assert [record.verdict for record in mta.records] == ["would-reject", "would-reject"]
