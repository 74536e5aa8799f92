"""What `consentmilter trace` says is what the milter does, on a real Postfix."""

import email
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from consentmilter.cli import trace as trace_command
from consentmilter.cli.letter import header_fields
from lab.delivered import Delivered
from lab.directory import public_directory
from lab.postfix import cannot_run
from lab.system import System
from tests.cli.installation import SITE, run

SENDER = "news@acme.example"
ANN, BOB, DORA = (f"{name}@example.org" for name in ("ann", "bob", "dora"))

PLAIN = b"From: news@acme.example\r\nSubject: News\r\n"
CLAIM = b"X-Consent-Stream: acme.newsletter\r\n"
BODY = b"\r\nbody\r\n"

OURS = {"list-unsubscribe", "list-unsubscribe-post", "list-id", "x-consent-status", "x-consent-route"}

MESSAGES: dict[str, tuple[str, bytes, list[str]]] = {
    "known by login": ("newsletter", PLAIN + BODY, [ANN]),
    "refused by login": ("newsletter", PLAIN + BODY, [BOB]),
    "one of two refused by login": ("newsletter", PLAIN + BODY, [BOB, ANN]),
    "several people": ("newsletter", PLAIN + BODY, [ANN, DORA]),
    "known by header": ("alice", PLAIN + CLAIM + BODY, [ANN]),
    "refused by header": ("alice", PLAIN + CLAIM + BODY, [BOB]),
    "one of two removed": ("alice", PLAIN + CLAIM + BODY, [ANN, BOB]),
    "exempt": ("alice", b"X-Consent-Stream: acme.security\r\n" + PLAIN + BODY, [BOB]),
    "a false claim": ("newsletter", b"X-Consent-Stream: acme.security\r\n" + PLAIN + BODY, [ANN]),
    "of no stream": ("alice", PLAIN + BODY, [BOB]),
    "folded": ("alice", b"X-Consent-Stream:\r\n \tacme.newsletter\r\n" + PLAIN + BODY, [BOB]),
    "in capitals": ("alice", CLAIM.upper().replace(b"ACME.NEWSLETTER", b"acme.newsletter") + PLAIN + BODY, [BOB]),
    "twice": ("alice", b"X-Consent-Stream: other\r\n" + CLAIM + PLAIN + BODY, [BOB]),
    "a blank before the colon": ("alice", b"X-Consent-Stream : acme.newsletter\r\n" + PLAIN + BODY, [BOB]),
    "8-bit in a value": ("alice", b"X-Note: caf\xe9 \xc3\xa9\r\n" + CLAIM + PLAIN + BODY, [BOB]),
    "8-bit in a name": ("alice", b"X-Caf\xe9: x\r\n" + CLAIM + PLAIN + BODY, [BOB]),
    "behind the header": ("alice", PLAIN + b"this is no field\r\n" + CLAIM + BODY, [BOB]),
    "behind an empty line": ("alice", b"\r\n" + CLAIM + PLAIN + BODY, [BOB]),
    "behind a fold of nothing": ("alice", b" fold\r\n" + CLAIM + PLAIN + BODY, [BOB]),
    "behind a mailbox's line": ("alice", b"From me@x.example Mon\r\n" + CLAIM + PLAIN + BODY, [BOB]),
    "a NUL in a value": ("alice", b"X-Consent-Stream: acme.newsletter\0x\r\n" + PLAIN + BODY, [BOB]),
    "no header": ("newsletter", b"body\r\n", [ANN]),
    "no message": ("newsletter", b"", [ANN]),
    "bulk with a link": ("alice", b"List-Unsubscribe: <https://x.example/u>\r\n" + PLAIN + BODY, [ANN]),
    "bulk to who opted out": ("alice", b"Precedence: bulk\r\n" + PLAIN + BODY, [BOB]),
    "foreign fields of ours": (
        "newsletter",
        b"X-Consent-Route: x\r\nX-Consent-Status: y\r\nX-Consent-Route: z\r\n" + PLAIN + BODY,
        [ANN],
    ),
    "signed": ("newsletter", b"DKIM-Signature: v=1; h=From:List-Unsubscribe;\r\n b=x\r\n" + PLAIN + BODY, [ANN]),
    "a quoted recipient": ("newsletter", PLAIN + BODY, ['"bob"@example.org', "BOB@Example.ORG"]),
}


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A mail system on whose list stands bob."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    with public_directory() as directory, System(directory, config=SITE) as system:
        system.suppress(BOB)
        yield system


@pytest.mark.parametrize("name", MESSAGES)
def test_a_trace_says_what_the_milter_does(system: System, tmp_path: Path, name: str) -> None:
    """Each reply, who gets the message, and with which fields of ours."""
    login, octets, recipients = MESSAGES[name]
    told = trace(system, tmp_path, octets, recipients, "--login", login, "--client", "127.0.0.1")
    system.sink.clear()
    with system.client(login=login) as smtp:
        smtp.mail(SENDER).expects(250)
        replies = [refusal(smtp.rcpt(raw)) for raw in recipients]
        end = refusal(smtp.data(octets)) if None in replies else None
    assert [each["reply"] for each in told["at_rcpt"]] == replies
    assert (told["at_end"] or {"reply": None})["reply"] == end
    if told["at_end"] is None or end is not None:
        return
    system.postfix.wait_empty()
    delivered = system.sink.messages
    let_in = [each["recipient"] for each in told["at_rcpt"] if each["reply"] is None]
    kept = [raw for raw in let_in if raw not in told["at_end"]["removed"]]
    assert sorted(rcpt for message in delivered for rcpt in message.rcpt_tos) == sorted(kept)
    for message in delivered:
        assert own_fields(message) == edited(octets, told["at_end"]["edits"])


def test_a_trace_says_what_the_milter_does_with_mail_from_sendmail(system: System, tmp_path: Path) -> None:
    """It is refused as a whole, and the bounce says why."""
    letter = PLAIN + CLAIM + BODY
    told = trace(system, tmp_path, letter, [ANN, BOB], "--listener", "sendmail")
    system.sink.clear()
    system.postfix.sendmail(letter.replace(b"\r\n", b"\n"), ANN, BOB, sender="admin@test.example")
    [bounce] = system.sink.wait()
    assert bounce.rcpt_tos == ("admin@test.example",)
    said = re.sub(rb"\s+", b" ", bounce.content).decode()
    assert told["at_end"]["reply"].partition(" [")[0].removeprefix("550 5.7.1 ") in said


@pytest.mark.parametrize("name", ["a blank before the colon", "behind a fold of nothing", "a NUL in a value"])
def test_a_trace_that_read_the_header_in_another_way_would_be_noticed(
    system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Read by a mail library, these messages are of another stream."""
    monkeypatch.setattr(trace_command, "header_fields", lambda lines: email.message_from_bytes(b"".join(lines)).items())
    with pytest.raises(AssertionError):
        test_a_trace_says_what_the_milter_does(system, tmp_path, name)


def trace(system: System, tmp_path: Path, octets: bytes, recipients: list[str], *words: str) -> dict[str, Any]:
    """What the command tells of the message, under the configuration of the running milter."""
    letter = tmp_path / "letter.eml"
    letter.write_bytes(octets)
    people = [word for raw in recipients for word in ("--to", raw)]
    done = run("--config", system.config_file, "trace", letter, "--from", SENDER, *people, *words, "--json")
    assert done.code in (0, 1), done
    data = done.json
    assert isinstance(data, dict)
    return data


def refusal(reply: Any) -> str | None:
    """A reply as the command shows it, without the message's own reference; None where all is well."""
    return None if reply.code == 250 else re.sub(r"\[\w+\]$", "[trace]", f"{reply.code} {reply.text}")


def own_fields(message: Delivered) -> list[tuple[str, str]]:
    """Those of the fields that we look after."""
    return [(name.lower(), " ".join(value.split())) for name, value in message.fields if name.lower() in OURS]


def edited(octets: bytes, edits: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The same of the message as it was sent, with the edits made."""
    fields = [
        (name.lower(), " ".join(value.split())) for name, value in header_fields(octets.splitlines(keepends=True))
    ]
    for edit in edits:
        name = edit["field"].lower()
        if edit["edit"] == "add":
            fields.append((name, edit["value"]))
        else:
            places = [place for place, field in enumerate(fields) if field[0] == name]
            del fields[places[edit["number"] - 1]]
    return [field for field in fields if field[0] in OURS]
