"""The unsubscribe header that leaves a real Postfix."""

import pytest

from consentmilter.keys import subject_of
from consentmilter.service.keyfile import read_keys
from consentmilter.tokens import Purpose, read, stream_hash
from lab.messages import message
from lab.opendkim import OpenDkim
from lab.system import System
from tests.postfix.conftest import ERROR_LIMITS, NEWSLETTER, Start, stream


def _token(link: str) -> str:
    return link.partition("/u/")[2].partition(">")[0]


def test_a_newsletter_leaves_with_a_link_that_is_the_recipients_own(system: System) -> None:
    """RFC 8058: one https link with a token, one mailto with the same, and the one-click field."""
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "Ann@Example.org").expects(250)
    delivered = system.sink.wait()[0]
    [links] = delivered.headers("List-Unsubscribe")
    token = _token(links)
    assert " ".join(links.split()) == f"<https://u.example.com/u/{token}>, <mailto:unsub+{token}@example.com>"
    assert delivered.headers("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
    ring = read_keys(system.directory / "keys.yaml")
    said = read(token, Purpose.UNSUBSCRIBE, ring)
    assert said.subject == subject_of("ann@example.org", ring)
    assert said.stream == stream_hash("acme.newsletter")


def test_a_message_to_several_people_carries_nobodys_link(system: System) -> None:
    """One person's link must never reach another: the mailto form with the stream's name instead."""
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org", "eve@example.org").expects(250)
    delivered = system.sink.wait()[0]
    assert delivered.headers("List-Unsubscribe") == ["<mailto:unsub+acme.newsletter@example.com>"]
    assert delivered.headers("List-Unsubscribe-Post") == []
    assert system.events("several_recipients")[0]["recipients"] == 2


def test_whoever_is_left_after_a_removal_gets_a_link(system: System) -> None:
    """Two recipients, one removed: the message is one person's now."""
    system.suppress("bob@example.org")
    with system.client() as smtp:
        smtp.send(message(headers=NEWSLETTER), "bob@example.org", "ann@example.org").expects(250)
    assert "/u/" in system.sink.wait()[0].headers("List-Unsubscribe")[0]


def test_split_makes_a_client_send_one_recipient_a_message(start: Start) -> None:
    """`multi_recipient: split`: a client that retries at once gets everybody a link of their own."""
    system = start(config=stream(multi_recipient="split"), main=ERROR_LIMITS)
    people = [f"person{number}@example.org" for number in range(50)]
    system.suppress("person7@example.org", "person23@example.org")
    waiting = list(people)
    with system.client(login="newsletter") as smtp:
        for _ in people:
            smtp.mail("news@acme.example").expects(250)
            replies = {address: smtp.rcpt(address) for address in waiting}
            waiting = [address for address, reply in replies.items() if reply.code == 452]
            assert {reply.code for reply in replies.values()} <= {250, 452, 550}
            if any(reply.code == 250 for reply in replies.values()):
                smtp.data(message()).expects(250)
            else:
                smtp.rset()
            if not waiting:
                break
    _assert_own_copies(system, set(people) - {"person7@example.org", "person23@example.org"})


def test_reject_refuses_a_second_recipient(start: Start) -> None:
    """`multi_recipient: reject`: at RCPT where the stream is known, at the end where it is not."""
    system = start(config=stream(multi_recipient="reject"))
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example")
        smtp.rcpt("ann@example.org").expects(250)
        smtp.rcpt("eve@example.org").expects(550, "one recipient a message")
        smtp.data(message()).expects(250)
    with system.client() as smtp:
        smtp.send(message(headers=NEWSLETTER), "ann@example.org", "eve@example.org").expects(550, "one recipient")


@pytest.mark.parametrize(
    ("existing", "code", "kept"),
    [("keep", 250, True), ("replace", 250, False), ("reject", 550, None)],
)
def test_an_existing_list_unsubscribe_is_treated_as_the_stream_says(
    start: Start, existing: str, code: int, *, kept: bool | None
) -> None:
    """Kept, replaced by ours (however many there are), or a reason to refuse."""
    system = start(config=stream(existing=existing))
    own = [
        ("List-Unsubscribe", "<https://tool.example/a>"),
        ("list-unsubscribe", "<https://tool.example/b>"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
    ]
    with system.client(login="newsletter") as smtp:
        smtp.send(message(headers=own), "ann@example.org").expects(code)
    if kept is None:
        return
    links = system.sink.wait()[0].headers("List-Unsubscribe")
    if kept:
        assert links == ["<https://tool.example/a>", "<https://tool.example/b>"]
    else:
        assert len(links) == 1
        assert links[0].startswith("<https://u.example.com/u/")
        assert system.sink.messages[0].headers("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]


def test_nothing_is_added_that_breaks_a_signature_already_there(start: Start) -> None:
    """A signature that covers List-Unsubscribe, even its absence, would fail with ours."""
    signature = "v=1; a=rsa-sha256; d=tool.example; s=a; h=From:To:\r\n\tlist-unsubscribe ; bh=x; b=y"
    system = start(config=stream(existing="replace"))
    with system.client(login="newsletter") as smtp:
        smtp.send(message(headers={"DKIM-Signature": signature}), "ann@example.org").expects(250)
    assert system.sink.wait()[0].headers("List-Unsubscribe") == []


def test_a_list_id_is_added_where_the_stream_has_one(start: Start) -> None:
    """RFC 2919, and only to messages that have none."""
    system = start(config=stream(list_id="newsletter.acme.example.com"))
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
        smtp.send(message(headers={"List-Id": "<own.acme.example>"}), "ann@example.org").expects(250)
    with_ours, with_own = system.sink.wait(2)
    assert with_ours.headers("List-Id") == ["Weekly newsletter <newsletter.acme.example.com>"]
    assert with_own.headers("List-Id") == ["<own.acme.example>"]


def test_opendkim_after_us_signs_both_list_fields(start: Start, signer: OpenDkim) -> None:
    """RFC 8058 section 4: the signature must cover both, and it is valid as delivered."""
    system = start(main={"smtpd_milters": "{milter}, " + signer.socket})
    with system.client(login="newsletter") as smtp:
        smtp.send(message(sender="news@acme.example"), "ann@example.org", sender="news@acme.example").expects(250)
    result = signer.verify(system.sink.wait()[0].content)
    assert result.valid
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(result.signed_headers)


def test_links_of_an_older_token_key_go_on_working(system: System) -> None:
    """Rotation: new links are signed with the new key, the old ones stay good."""
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
    system.run("init", "--new-token-key")
    system.reload()
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "ann@example.org").expects(250)
    ring = read_keys(system.directory / "keys.yaml")
    tokens = [_token(m.headers("List-Unsubscribe")[0]) for m in system.sink.wait(2)]
    assert [read(token, Purpose.UNSUBSCRIBE, ring).subject for token in tokens] == [
        subject_of("ann@example.org", ring)
    ] * 2
    assert len(set(tokens)) == 2


def _assert_own_copies(system: System, people: set[str]) -> None:
    """Each of the people has exactly one copy, with a token that is theirs alone."""
    system.postfix.wait_empty()
    ring = read_keys(system.directory / "keys.yaml")
    delivered = system.sink.messages
    assert sorted(rcpt for m in delivered for rcpt in m.rcpt_tos) == sorted(people)
    for copy in delivered:
        [person] = copy.rcpt_tos
        said = read(_token(copy.headers("List-Unsubscribe")[0]), Purpose.UNSUBSCRIBE, ring)
        assert said.subject == subject_of(person, ring)
