"""`consentmilter trace`: each kind of outcome."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.installation import SITE, Done, Installation

PLAIN = "From: news@acme.example\nSubject: News\n\nbody\n"
NEWSLETTER = f"X-Consent-Stream: acme.newsletter\n{PLAIN}"
SECURITY = f"X-Consent-Stream: acme.security\n{PLAIN}"

ENVELOPE = ["--from", "news@acme.example"]
TOLD = [
    "recipient",
    "verdict",
    "reason",
    "bypassed",
    "scope",
    "stream",
    "category",
    "mode",
    "rule",
    "right",
    "false_claim",
]


@pytest.fixture(scope="module")
def made(set_up: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A site on whose list stands bob, to begin with."""
    site = Installation(tmp_path_factory.mktemp("made")).begin_as(set_up)
    site.run("add", "bob@x.example", "--reason", "unsubscribe")
    return site


@pytest.fixture
def site(bare: Installation, made: Installation) -> Installation:
    """A site on whose list stands bob."""
    return bare.begin_as(made)


def traced(site: Installation, letter: str | bytes, *words: object, code: int = 0) -> dict[str, Any]:
    """What a trace tells as JSON, which has always the same keys."""
    done = site.run("trace", site.file("letter.eml", letter), *ENVELOPE, *words, "--json", code=code)
    data = done.json
    assert isinstance(data, dict)
    assert list(data) == ["outbound", "at_rcpt", "at_end", "recipients", "notices"]
    assert [list(each) for each in data["recipients"]] == [TOLD] * len(data["recipients"])
    assert [list(each) for each in data["at_rcpt"]] == [["recipient", "reply"]] * len(data["at_rcpt"])
    assert data["at_end"] is None or list(data["at_end"]) == ["reply", "removed", "held", "edits"]
    return data


def text(site: Installation, letter: str | bytes, *words: object, code: int = 0) -> list[str]:
    return site.run("trace", site.file("letter.eml", letter), *ENVELOPE, *words, code=code).lines


def verdicts(data: dict[str, Any]) -> list[str]:
    return [each["verdict"] for each in data["recipients"]]


def to(*people: str) -> list[str]:
    return [word for name in people for word in ("--to", f"{name}@x.example")]


def test_mail_that_is_not_outbound_passes_untouched(site: Installation) -> None:
    """Neither a login nor a client or listener of ours."""
    assert text(site, NEWSLETTER, *to("bob")) == [
        "not outbound, passes untouched: no login, and neither the client nor the listener is named in outbound"
    ]
    data = traced(site, NEWSLETTER, *to("bob"))
    assert (data["outbound"], data["recipients"], data["at_rcpt"][0]["reply"]) == (False, [], None)
    assert data["at_end"] == {"reply": None, "removed": [], "held": False, "edits": []}


def test_mail_of_no_stream_passes(site: Installation) -> None:
    """Outbound, and no rule knows it."""
    assert text(site, PLAIN, *to("bob"), "--login", "alice") == [
        "bob@x.example: accept (reason no-stream, mode enforce)"
    ]


def test_a_refusal_at_rcpt_ends_with_1(site: Installation) -> None:
    """There is no end of message then."""
    data = traced(site, PLAIN, *to("bob"), "--login", "newsletter", code=1)
    [told] = data["recipients"]
    assert told == {
        "recipient": "bob@x.example",
        "verdict": "reject",
        "reason": "unsubscribe",
        "bypassed": False,
        "scope": "*",
        "stream": "acme.newsletter",
        "category": "marketing",
        "mode": "enforce",
        "rule": 1,
        "right": "login",
        "false_claim": None,
    }
    [at_rcpt] = data["at_rcpt"]
    assert at_rcpt["reply"].startswith("550 5.7.1 <bob@x.example>: opted out of all marketing mail by unsubscribe on ")
    assert data["at_end"] is None


def test_each_recipient_has_an_answer(site: Installation) -> None:
    """In the order of the command, and those who get it have their link."""
    lines = text(site, PLAIN, *to("bob", "ann"), "--login", "newsletter", code=1)
    about = "stream acme.newsletter, category marketing, mode enforce, rule 1, right login"
    assert lines[0] == f"bob@x.example: reject (reason unsubscribe, scope *, {about})"
    assert lines[1] == f"ann@x.example: accept ({about})"
    assert lines[2].startswith("at RCPT, bob@x.example: 550 5.7.1 <bob@x.example>: opted out")
    assert lines[3].startswith("field added: List-Unsubscribe: <https://u.example.com/u/")
    assert lines[4] == "field added: List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    assert len(lines) == 5


def test_a_link_is_for_one_recipient(site: Installation) -> None:
    """For several there is a notice, and the generic form."""
    lines = text(site, PLAIN, *to("ann", "dora"), "--login", "newsletter")
    assert lines[2:] == [
        "field added: List-Unsubscribe: <mailto:unsubscribe+acme.newsletter@example.com>",
        "notice: several_recipients (stream acme.newsletter, recipients 2)",
    ]


def test_a_stream_that_only_the_header_tells_is_decided_at_the_end(site: Installation) -> None:
    """Some are removed, or all are refused."""
    data = traced(site, NEWSLETTER, *to("ann", "bob"), "--login", "alice", code=1)
    assert (verdicts(data), data["at_end"]["removed"]) == (["accept", "remove"], ["bob@x.example"])
    assert "recipient removed: bob@x.example" in text(site, NEWSLETTER, *to("ann", "bob"), "--login", "alice", code=1)
    data = traced(site, NEWSLETTER, *to("bob"), "--login", "alice", code=1)
    assert data["at_end"]["reply"].startswith("550 5.7.1 <bob@x.example>: opted out")
    assert text(site, NEWSLETTER, *to("bob"), "--login", "alice", code=1)[1].startswith("at end of message: 550 ")


def test_exempt_mail_goes_past_an_opt_out(site: Installation) -> None:
    """It says that it bypassed one."""
    told = "bob@x.example: accept (reason unsubscribe, bypassed, scope *, "
    told += "stream acme.security, category security-patch, mode enforce, rule 3, right login)"
    assert text(site, SECURITY, *to("bob"), "--login", "alice") == [told]


def test_a_false_claim_is_told(site: Installation) -> None:
    """The message falls to the stream of its login."""
    [told] = traced(site, SECURITY, *to("ann"), "--login", "newsletter")["recipients"]
    assert (told["stream"], told["false_claim"]) == ("acme.newsletter", "acme.security")


def test_observe_mode_tells_what_would_be(site: Installation) -> None:
    """Nobody is refused, and the exit code is as if."""
    site.configure(**{**SITE, "mode": "observe"})
    data = traced(site, PLAIN, *to("bob"), "--login", "newsletter", code=1)
    assert verdicts(data) == ["would-reject"]
    assert data["at_rcpt"] == [{"recipient": "bob@x.example", "reply": None}]
    assert data["at_end"] == {"reply": None, "removed": [], "held": False, "edits": []}


@pytest.mark.parametrize(
    ("stream", "code", "line"),
    [
        ({"action": "tag"}, 0, "field added: X-Consent-Status: opted-out; stream=acme.newsletter"),
        ({"action": "hold"}, 1, "the message is held"),
        ({"action": "defer"}, 1, "at end of message: 450 4.7.1 <bob@x.example>: mail of"),
        ({"mixed": "reject"}, 1, "at end of message: 550 5.7.1 <bob@x.example>: opted out"),
    ],
)
def test_every_action_is_told(site: Installation, stream: dict[str, str], code: int, line: str) -> None:
    """A tag lets the mail go; the others do not."""
    site.configure(**{**SITE, "streams": {**SITE["streams"], "acme.newsletter": stream}})
    people = to("ann", "bob") if "mixed" in stream else to("bob")
    lines = text(site, NEWSLETTER, *people, "--login", "alice", code=code)
    assert [each for each in lines if each.startswith(line)]


@pytest.mark.parametrize(
    ("multi_recipient", "reply"),
    [("split", "452 4.5.3 one recipient a message"), ("reject", "550 5.7.1 mail of acme.newsletter must have one")],
)
def test_a_second_recipient_may_be_refused(site: Installation, multi_recipient: str, reply: str) -> None:
    """Where the stream has one recipient a message; exit code 1."""
    streams = {**SITE["streams"], "acme.newsletter": {"multi_recipient": multi_recipient}}
    site.configure(**{**SITE, "streams": streams})
    data = traced(site, PLAIN, *to("ann", "dora"), "--login", "newsletter", code=1)
    assert [bool(each["reply"]) for each in data["at_rcpt"]] == [False, True]
    assert data["at_rcpt"][1]["reply"].startswith(reply)


def test_unwanted_and_unreadable_mail_is_refused(site: Installation) -> None:
    """By the site's word; and an address that cannot be read has no record."""
    site.configure(**{**SITE, "unclassified": "reject"})
    data = traced(site, PLAIN, *to("ann"), "--login", "alice", code=1)
    assert data["at_end"]["reply"].startswith("550 5.7.1 this mail belongs to no stream")
    data = traced(site, PLAIN, "--to", "a\x07@x.example", "--login", "alice", code=1)
    assert data["at_rcpt"][0]["reply"].startswith("553 5.1.3 the recipient address cannot be read")
    assert "at RCPT, a\\x07@x.example: 553" in "\n".join(
        text(site, PLAIN, "--to", "a\x07@x.example", "--login", "alice", code=1)
    )


def test_foreign_fields_of_ours_are_removed(site: Installation) -> None:
    """Whoever wrote them."""
    letter = f"X-Consent-Route: x\nX-Consent-Route: y\n{PLAIN}"
    data = traced(site, letter, *to("ann"), "--login", "alice")
    assert data["at_end"]["edits"] == [
        {"edit": "remove", "field": "X-Consent-Route", "number": 2},
        {"edit": "remove", "field": "X-Consent-Route", "number": 1},
    ]
    assert "field removed: X-Consent-Route, number 2 of that name" in text(site, letter, *to("ann"), "--login", "alice")


def test_the_second_pass_of_a_loop_wants_a_route(site: Installation) -> None:
    """The notice says what is wrong with it."""
    site.configure(**SITE, loop={"first": ["submission"], "second": "consent-loop"})
    words = [*to("ann"), "--listener", "consent-loop", "--client", "127.0.0.1"]
    lines = text(site, PLAIN, *words, code=1)
    assert lines == [
        "at end of message: 451 4.3.5 no valid X-Consent-Route from the first pass [trace]",
        "notice: route_refused (cause there are 0 fields X-Consent-Route, not 1)",
    ]
    first = traced(site, NEWSLETTER, *to("ann"), "--listener", "submission", "--client", "127.0.0.1")
    [route] = first["at_end"]["edits"]
    assert route["field"] == "X-Consent-Route"
    assert traced(site, f"X-Consent-Route: {route['value']}\n{NEWSLETTER}", *words)["recipients"][0]["stream"] == (
        "acme.newsletter"
    )


def test_mail_from_sendmail_is_never_refused_at_rcpt(site: Installation) -> None:
    """Its listener is `sendmail`, its client loopback, and its recipients are not in brackets."""
    site.configure(
        **{**SITE, "classify": [{"listener": "sendmail", "client": "127.0.0.0/8", "stream": "acme.newsletter"}]}
    )
    data = traced(site, PLAIN, *to("ann", "bob"), "--listener", "sendmail", code=1)
    assert verdicts(data) == ["reject", "reject"]
    assert [each["reply"] for each in data["at_rcpt"]] == [None, None]
    assert data["at_end"]["reply"].startswith("550 5.7.1 <bob@x.example>: opted out")
    for words in (["--login", "alice"], ["--client", "192.0.2.7"]):
        done = site.run("trace", "-", *ENVELOPE, *to("ann"), "--listener", "sendmail", *words, given=b"\n", code=2)
        assert "mail from sendmail(1) has neither --login nor --client" in done.err


@pytest.mark.parametrize("address", ["bob@x.example", "<bob@x.example>", "<BOB@X.example>", '"bob"@x.example'])
def test_a_recipient_may_stand_in_brackets(site: Installation, address: str) -> None:
    """And in any form that is the same person."""
    data = traced(site, PLAIN, "--to", address, "--login", "newsletter", code=1)
    assert verdicts(data) == ["reject"]
    assert data["recipients"][0]["recipient"] == address.strip("<>")


def test_one_recipient_twice_has_two_answers(site: Installation) -> None:
    """As the client gets them."""
    data = traced(site, PLAIN, *to("bob", "bob"), "--login", "newsletter", code=1)
    assert len(data["at_rcpt"]) == len(data["recipients"]) == 2


@pytest.mark.parametrize("sender", ["", "<>", "news@acme.example", "<news@acme.example>"])
def test_the_sender_may_be_nobody(site: Installation, sender: str) -> None:
    """A bounce is no bulk mail."""
    letter = site.file("letter.eml", f"Precedence: bulk\n{PLAIN}")
    words = ["trace", letter, "--from", sender, *to("ann"), "--login", "alice", "--json"]
    stream = site.run(*words).json["recipients"][0]["stream"]
    assert stream == ("bulk" if "@" in sender else None)


def test_headers_are_read_as_they_stand(site: Installation) -> None:
    """Folded, 8-bit, of any case; what is behind a line that is no field is body."""
    for letter in (
        b"x-consent-stream:\r\n\tacme.newsletter\r\n\r\n",
        b"X-Note: caf\xe9\nX-CONSENT-STREAM: acme.newsletter\n\n",
        b"From me Mon\nX-Consent-Stream : acme.newsletter\n",
    ):
        assert traced(site, letter, *to("ann"), "--login", "alice")["recipients"][0]["stream"] == "acme.newsletter"
    for letter in (
        b"X-Caf\xe9: x\nX-Consent-Stream: acme.newsletter\n\n",
        b"\nX-Consent-Stream: acme.newsletter\n\n",
        b" fold\nX-Consent-Stream: acme.newsletter\n\n",
    ):
        assert traced(site, letter, *to("ann"), "--login", "alice")["recipients"][0]["stream"] is None


def test_a_message_may_come_on_standard_input(site: Installation) -> None:
    """`-`, as everywhere."""
    words = ["trace", "-", *ENVELOPE, *to("ann"), "--login", "alice", "--json"]
    assert site.run(*words, given=NEWSLETTER.encode()).json["recipients"][0]["stream"] == "acme.newsletter"


def test_a_store_that_cannot_answer_is_told_and_ends_with_3(site: Installation) -> None:
    """Marketing mail would be deferred, exempt mail would go unverified."""
    site.store.rename(site.directory / "away.db")
    said = f"error: there is no database at {site.store}: run `consentmilter init`\n"
    letter = site.file("letter.eml", PLAIN)

    def told(login: str) -> Done:
        return site.run("trace", letter, *ENVELOPE, *to("bob"), "--login", login, code=3)

    deferred, exempt = told("newsletter"), told("release-bot")
    assert deferred.err == exempt.err == said
    assert "at RCPT, bob@x.example: 451 4.3.0 consent cannot be verified now, try again later [trace]" in deferred.lines
    assert exempt.lines[0].startswith("bob@x.example: accept (reason store, stream acme.security")
    assert any(line.startswith("notice: store_unavailable (cause there is no database") for line in exempt.lines)


def test_trace_leaves_no_trace(site: Installation) -> None:
    """Neither in the journal nor in the list."""
    before = site.journal.read_bytes(), site.rows("SELECT * FROM suppression"), site.rows("SELECT * FROM ledger")
    traced(site, PLAIN, *to("bob"), "--login", "newsletter", code=1)
    after = site.journal.read_bytes(), site.rows("SELECT * FROM suppression"), site.rows("SELECT * FROM ledger")
    assert before == after


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--client", "localhost"], "error: --client: 'localhost' does not appear to be an IPv4 or IPv6 address\n"),
        (["--client", ""], "error: --client: '' does not appear to be an IPv4 or IPv6 address\n"),
    ],
)
def test_a_client_is_an_address(site: Installation, words: list[str], said: str) -> None:
    """Names are not looked up."""
    assert site.run("trace", "-", *ENVELOPE, *to("ann"), *words, given=b"\n", code=2).err == said


def test_a_message_that_is_not_there_is_named(site: Installation) -> None:
    """With the cause."""
    for path, cause in ((site.directory / "no.eml", "No such file or directory"), (site.directory, "Is a directory")):
        done = site.run("trace", path, *ENVELOPE, *to("ann"), code=2)
        assert (done.out, done.err) == ("", f"error: {path}: {cause}\n")


def test_a_message_of_any_size_is_read_to_the_end_of_its_header(site: Installation, tmp_path: Path) -> None:
    """A pipe that would go on for ever is left."""
    with Path("/dev/zero").open("rb") as endless:
        octets = NEWSLETTER.encode() + endless.read(10_000_000)
    assert traced(site, octets, *to("ann"), "--login", "alice")["recipients"][0]["stream"] == "acme.newsletter"
