"""The loop: a submission listener that refuses, and a second listener where each recipient has a message of their own.

The topology is the one of deploy/postfix: transport `split` with a recipient limit of 1, listener `consent-loop`.
"""

from functools import cache
from typing import Any

from consentmilter.keys import subject_of
from consentmilter.service.keyfile import read_keys
from consentmilter.tokens import Purpose, read
from lab.messages import message
from lab.opendkim import OpenDkim
from lab.ports import free_port
from lab.postfix_files import Service
from lab.system import System
from tests.postfix.conftest import SECURITY, Start, stream

LOOP = {"loop": {"first": "submission", "second": "consent-loop"}}


@cache
def _second_port(signer: str) -> int:
    """Where the second listener is: for one signer always the same port, so that tests share a mail system."""
    return free_port()


def _loop(start: Start, *, config: dict[str, Any] | None = None, signer: str = "") -> System:
    port = _second_port(signer)
    first = {
        "milter_macro_daemon_name": "submission",
        "content_filter": f"split:[127.0.0.1]:{port}",
        "receive_override_options": "no_address_mappings",
    }
    second = {
        "milter_macro_daemon_name": "consent-loop",
        "content_filter": "",
        "smtpd_milters": "{milter}" + (f", {signer}" if signer else ""),
    }
    return start(
        config={**LOOP, **(config or {})},
        services=[Service("submission", options=first), Service("consent-loop", port, options=second)],
        main={"split_destination_recipient_limit": "1"},
        master=["split unix - - n - 10 smtp"],
    )


def test_a_newsletter_to_fifty_gives_everybody_a_copy_and_a_link_of_their_own(start: Start, signer: OpenDkim) -> None:
    """Refused at RCPT on the way in; behind the split each message has one recipient and one token."""
    people = [f"person{number}@example.org" for number in range(50)]
    gone = {"person7@example.org", "person23@example.org"}
    system = _loop(start, signer=signer.socket)
    system.suppress(*gone)
    with system.client("submission", login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        for address in people:
            smtp.rcpt(address).expects(550 if address in gone else 250)
        smtp.data(message(sender="news@acme.example")).expects(250)
    system.postfix.wait_empty(timeout=60)
    results = [signer.verify(copy.content) for copy in system.sink.messages]
    ring = read_keys(system.directory / "keys.yaml")
    assert sorted(rcpt for m in system.sink.messages for rcpt in m.rcpt_tos) == sorted(set(people) - gone)
    for copy in system.sink.messages:
        [links] = copy.headers("List-Unsubscribe")
        token = links.partition("/u/")[2].partition(">")[0]
        assert read(token, Purpose.UNSUBSCRIBE, ring).subject == subject_of(copy.rcpt_tos[0], ring)
        assert copy.headers("X-Consent-Route") == []
    assert all(result.valid and "list-unsubscribe-post" in result.signed_headers for result in results)


def test_an_exempt_patch_and_a_refused_newsletter_go_through_by_login(start: Start) -> None:
    """The second pass sees loopback and no login; what the first found out reaches it in a signed header."""
    system = _loop(start)
    system.suppress("bob@example.org")
    with system.client("submission", login="release-bot") as smtp:
        smtp.send(message(headers=SECURITY), "bob@example.org", "ann@example.org").expects(250)
    with system.client("submission", login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("bob@example.org").expects(550)
    with system.client("submission", login="alice") as smtp:
        smtp.send(message(subject="personal"), "bob@example.org").expects(250)
    system.postfix.wait_empty()
    assert sorted((m.rcpt_tos[0], m.header("List-Unsubscribe")) for m in system.sink.messages) == [
        ("ann@example.org", None),
        ("bob@example.org", None),
        ("bob@example.org", None),
    ]


def test_who_opts_out_between_the_passes_is_refused_behind_the_split(start: Start) -> None:
    """The second pass checks again; the sender gets a bounce, the person nothing."""
    system = _loop(start)
    system.postfix.postconf(defer_transports="split")
    system.postfix.reload()
    with system.client("submission", login="newsletter") as smtp:
        smtp.send(message(), "bob@example.org", "ann@example.org", sender="news@acme.example").expects(250)
    system.suppress("bob@example.org")
    system.postfix.postconf(defer_transports="")
    system.postfix.reload()
    system.postfix.flush()
    system.postfix.wait_empty(timeout=30)
    assert system.sink.to("bob@example.org") == []
    assert len(system.sink.to("ann@example.org")) == 1
    assert len(system.sink.to("news@acme.example")) == 1


def test_tag_and_hold_wait_for_the_second_pass(start: Start) -> None:
    """Behind the split only the copy of who opted out is held."""
    system = _loop(start, config=stream(action="hold"))
    system.suppress("bob@example.org")
    with system.client("submission", login="newsletter") as smtp:
        smtp.send(message(), "bob@example.org", "ann@example.org").expects(250)
    [copy] = system.sink.wait()
    assert copy.rcpt_tos == ("ann@example.org",)
    system.decisions(4)
    assert [rcpt for entry in system.postfix.hold_queue() for rcpt in entry.recipients] == ["bob@example.org"]


def test_a_forged_route_on_the_first_pass_is_replaced(start: Start) -> None:
    """Whatever a client writes into X-Consent-Route, the second pass reads ours."""
    system = _loop(start)
    system.suppress("bob@example.org")
    forged = [("X-Consent-Route", "stream=acme.security; right=login; t=1; k=1; id=yes; tag=00")]
    with system.client("submission", login="newsletter") as smtp:
        smtp.send(message(headers=forged), "ann@example.org").expects(250)
    system.postfix.wait_empty()
    copy = system.sink.wait()[0]
    assert copy.headers("X-Consent-Route") == []
    assert copy.headers("List-Unsubscribe") != []


def test_the_second_listener_defers_mail_without_a_good_route(start: Start) -> None:
    """Absent, forged or doubled: 451, so that nothing is lost and the admin sees it."""
    system = _loop(start)
    forged = ("X-Consent-Route", "stream=acme.security; right=login; t=1; k=1; id=yes; tag=00")
    with system.client("consent-loop") as smtp:
        smtp.send(message(), "ann@example.org").expects(451, "no valid X-Consent-Route")
        smtp.send(message(headers=[forged]), "ann@example.org").expects(451)
        smtp.send(message(headers=[forged, forged]), "ann@example.org").expects(451)
    assert system.sink.messages == []
    assert len(system.events("route_refused")) == 3


def test_mail_without_a_message_id_passes_the_loop(start: Start) -> None:
    """Postfix gives it one between the passes; the route allows for that."""
    system = _loop(start)
    bare = message(headers={}).replace(b"Message-ID", b"X-No-ID")
    with system.client("submission", login="newsletter") as smtp:
        smtp.send(bare, "ann@example.org").expects(250)
    assert system.sink.wait()[0].headers("List-Unsubscribe") != []
