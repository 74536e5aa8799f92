"""What comes back, through a real Postfix and deploy/postfix/intake: requests, replies, bounces, complaints, copies."""

import email
import email.policy
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from consentmilter.service.keyfile import read_keys
from consentmilter.subjects import subject_named
from consentmilter.tokens import Purpose, Token, make, stream_hash
from lab.delivered import Delivered
from lab.directory import public_directory
from lab.messages import message
from lab.opendkim import OpenDkim
from lab.ports import free_port
from lab.postfix import cannot_run
from lab.postfix_files import Service
from lab.process import wait_for
from lab.system import System
from tests.acme import SITE
from tests.docs.pages import ROOT, page, yaml_examples
from tests.docs.postfix_fragments import settings
from tests.intake.site import complained, laid_over

FRAGMENTS = ROOT / "deploy" / "postfix" / "intake"
TABLES = ("consentmilter-transport", "consentmilter-access", "consentmilter-header-checks")

VERIFIER = "/^Subject: proven/ PREPEND Authentication-Results: mx.example.com; dkim=pass header.d=example.org\n"
"""In the place of a verifying milter, whose word is added once the checks of arriving header fields are over."""

PEOPLE = 100


def _site(directory: Path, port: int) -> dict[str, Any]:
    """The tests' site with what the fragment says, and its places."""
    shipped = yaml.safe_load((FRAGMENTS / "intake.yaml").read_text(encoding="utf-8"))
    places = {
        "intake": {"socket": f"unix:{directory}/intake.sock", "submit": f"127.0.0.1:{port}"},
        "streams": {"acme.newsletter": {"verp": True}},
    }
    return laid_over(laid_over(SITE, shipped), places)


def _main(directory: Path) -> dict[str, str]:
    """The settings of the fragment, its tables in the directory."""
    for name in TABLES:
        text = (FRAGMENTS / name).read_text(encoding="utf-8")
        more = VERIFIER if name.endswith("checks") else ""
        (directory / name).write_text(text.replace("consentmilter/intake.sock", f"{directory}/intake.sock") + more)
    shipped = {name: value.replace("/etc/postfix", str(directory)) for name, value in settings("intake").items()}
    return {**shipped, "mydestination": "example.com", "lmtp_destination_recipient_limit": str(PEOPLE)}


@pytest.fixture(scope="module")
def signer() -> Iterator[OpenDkim]:
    """It signs for acme.example, and for nobody else."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    with public_directory() as directory, OpenDkim(directory, domain="acme.example") as signer:
        yield signer


@pytest.fixture(scope="module")
def system(signer: OpenDkim) -> Iterator[System]:
    """One mail system for all tests of this module, each of which has people of its own."""
    port = free_port()
    with public_directory() as directory:
        main = {**_main(directory), "smtpd_milters": f"{{milter}}, {signer.socket}"}
        config = _site(directory, port)
        with System(directory, config=config, services=[Service("smtp", port)], main=main) as system:
            yield system


def newsletter(system: System, person: str) -> Delivered:
    """Send the newsletter to somebody; what is delivered."""
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), person, sender="news@acme.example").expects(250)
    return wait_for(lambda: next(iter(system.sink.to(person)), None), f"the newsletter of {person}")


def write(
    system: System,
    person: str,
    to: str,
    *,
    subject: str = "Hello",
    body: str = "",
    headers: dict[str, str] | None = None,
) -> None:
    """Let somebody write to one of our addresses."""
    content = message(sender=person, to=to, subject=subject, body=body, headers=headers or {})
    with system.client() as smtp:
        smtp.send(content, to, sender=person).expects(250)


def reasons(system: System, person: str) -> list[tuple[str, str]]:
    """Scope and reason of everything that stands for somebody."""
    ring = read_keys(system.directory / "keys.yaml")
    with closing(sqlite3.connect(system.store_file, timeout=5)) as database:
        query = "SELECT scope, reason FROM suppression WHERE subject = ? ORDER BY 1, 2"
        return database.execute(query, [subject_named(person, ring, {}).key]).fetchall()


def stands(system: System, person: str, *expected: tuple[str, str]) -> None:
    """Wait until exactly this stands for somebody."""
    wait_for(lambda: reasons(system, person) == [*expected], f"{expected} for {person}, not {reasons(system, person)}")


def refused(system: System, person: str) -> bool:
    with system.client(login="newsletter") as smtp:
        smtp.mail("news@acme.example").expects(250)
        return smtp.rcpt(person).code == 550


def token(system: System, person: str, purpose: Purpose, stream: str = "acme.newsletter") -> str:
    ring = read_keys(system.directory / "keys.yaml")
    key = subject_named(person, ring, {}).key
    return make(Token(purpose, key, stream_hash(stream), datetime.now(UTC).date()), ring)


def mailto(delivered: Delivered) -> str:
    found = re.search(r"<mailto:([^>]+)>", delivered.headers("List-Unsubscribe")[0])
    assert found
    return found[1]


def test_the_page_explains_every_line_of_the_fragment_and_quotes_no_other() -> None:
    """docs/intake.md; the configuration beside the fragment is the one on the page."""
    text = page("intake.md")
    quoted = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    assert quoted == [f"{name} = {value}" for name, value in settings("intake").items()]
    [example] = yaml_examples(text)
    assert example in (FRAGMENTS / "intake.yaml").read_text(encoding="utf-8")


def test_a_mail_to_the_address_in_the_header_refuses_the_next_newsletter(system: System) -> None:
    """As Apple's mail programs write it: nothing in it."""
    address = mailto(newsletter(system, "apple@example.org"))
    assert not refused(system, "apple@example.org")
    write(system, "apple@example.org", address, subject="")
    stands(system, "apple@example.org", ("acme.newsletter", "unsubscribe"))
    assert refused(system, "apple@example.org")


def test_a_mail_to_the_plain_address_stops_everything_if_the_sender_is_proven(system: System) -> None:
    """Only one organisation mails here."""
    write(system, "plain@example.org", "unsubscribe@example.com", subject="proven")
    stands(system, "plain@example.org", ("*", "unsubscribe"))


def test_a_sender_who_is_not_proven_is_asked_and_can_confirm(system: System) -> None:
    """The question comes back through the same Postfix, from nobody; an answer to it is enough."""
    write(system, "asked@example.org", "unsubscribe+acme.newsletter@example.com")
    question = wait_for(lambda: next(iter(system.sink.to("asked@example.org")), None), "the question")
    assert question.mail_from == ""
    assert reasons(system, "asked@example.org") == []
    read = email.message_from_bytes(question.content, policy=email.policy.default)
    write(system, "asked@example.org", str(read["Reply-To"]), subject="Re: Please confirm")
    stands(system, "asked@example.org", ("acme.newsletter", "unsubscribe"))


@pytest.mark.parametrize(
    "field",
    ["Authentication-Results", "Authentication-Results ", "AUTHENTICATION-RESULTS"],
)
@pytest.mark.parametrize(
    "name", ["mx.example.com", "MX.Example.Com", "(x) mx.example.com", "mx.exam(x)ple.com", '"mx.example.co\\m"']
)
def test_authentication_results_that_a_sender_writes_are_removed(system: System, field: str, name: str) -> None:
    """However they are written; the sender is asked, and nothing changes."""
    before = len(system.events("confirmation_sent"))
    person = f"forged{time.monotonic_ns()}@example.org"
    forged = {field: f"{name}; dkim=pass header.d=example.org"}
    write(system, person, "unsubscribe@example.com", headers=forged)
    wait_for(lambda: len(system.events("confirmation_sent")) > before, "a question")
    assert reasons(system, person) == []


def test_a_reply_that_states_the_request_is_understood(system: System) -> None:
    """At the privacy address, in words; what is unclear waits for somebody to read it."""
    quoted = "\r\n> You asked for this newsletter.\r\n> Unsubscribe\r\n"
    write(
        system, "reply@example.org", "privacy@example.com", subject="proven", body=f"Please unsubscribe me.\r\n{quoted}"
    )
    stands(system, "reply@example.org", ("*", "unsubscribe"))
    write(system, "vague@example.org", "privacy@example.com", subject="proven", body="Did I unsubscribe?\r\n")
    wait_for(lambda: system.events("kept_for_review"), "something to review")
    assert "vague@example.org about *: Did I unsubscribe?" in system.run("review")
    assert reasons(system, "vague@example.org") == []


def test_a_bounce_of_postfix_suppresses_a_dead_mailbox(system: System) -> None:
    """The receiving server knows no such user; the bounce goes to the address that the milter made."""
    system.sink.refuse("dead@example.org")
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), "dead@example.org", sender="news@acme.example").expects(250)
    stands(system, "dead@example.org", ("acme", "hard_bounce"))
    assert refused(system, "dead@example.org")


@pytest.mark.parametrize(
    ("person", "reply"),
    [
        ("proud@example.org", "550 5.7.1 we do not like you"),
        ("shut@example.org", "550 5.7.1 <shut@example.org>: opted out of all marketing mail by unsubscribe"),
    ],
)
def test_a_refusal_for_a_policy_is_no_dead_mailbox(system: System, person: str, reply: str) -> None:
    """Also one that says what we say ourselves."""
    before = len(system.events("mail_ignored"))
    system.sink.refuse(person, reply)
    with system.client(login="newsletter") as smtp:
        smtp.send(message(), person, sender="news@acme.example").expects(250)
    wait_for(lambda: len(system.events("mail_ignored")) > before, "the bounce")
    assert system.events("mail_ignored")[-1]["cause"] == "policy bounce"
    assert reasons(system, person) == []


def test_a_complaint_about_a_newsletter_stops_the_organisation(system: System) -> None:
    """By the link in the message that the report embeds; the addresses in it are blacked out."""
    [links] = newsletter(system, "angry@example.org").headers("List-Unsubscribe")
    with system.client() as smtp:
        report = complained(links)
        smtp.send(report, "unsubscribe@example.com", sender="fbl@provider.example").expects(250)
    stands(system, "angry@example.org", ("acme", "complaint"))


def test_a_hundred_recipients_in_one_delivery_have_a_reply_each(system: System) -> None:
    """Postfix waits for as many replies as it had recipients accepted, and takes each for its own recipient."""
    people = [f"many{number}@example.org" for number in range(PEOPLE)]
    addresses = [f"unsubscribe+{token(system, person, Purpose.UNSUBSCRIBE)}@example.com" for person in people]
    addresses[50] = f"bounce+{token(system, people[50], Purpose.UNSUBSCRIBE)}@example.com"
    with system.client() as smtp:
        smtp.send(message(sender="eve@example.org"), *addresses, sender="eve@example.org").expects(250)
    system.postfix.wait_empty(timeout=30)
    told = dict(re.findall(r"to=<(?:unsubscribe|bounce)\+([^@]+)@example.com>.*status=(\w+)", system.postfix.log()))
    outcomes = [told[address.partition("+")[2].partition("@")[0]] for address in addresses]
    assert outcomes == ["sent"] * 50 + ["bounced"] + ["sent"] * (PEOPLE - 51)
    assert [bool(reasons(system, person)) for person in people] == [True] * 50 + [False] + [True] * (PEOPLE - 51)


def test_copies_for_the_self_check_are_taken_from_ourselves_only(system: System) -> None:
    """A forged copy could have the one-click field withheld."""
    system.postfix.postconf(mynetworks="192.0.2.0/24")
    system.postfix.reload()
    try:
        with system.client() as smtp:
            smtp.mail("eve@example.org").expects(250)
            smtp.rcpt("dkim-check@example.com").expects(554)
            smtp.rcpt("unsubscribe@example.com").expects(250)
    finally:
        system.postfix.postconf(mynetworks="127.0.0.0/8")
        system.postfix.reload()


def test_the_doctor_tells_whether_the_signature_covers_the_list_fields(system: System) -> None:
    """OpenDKIM signs for one domain and not for the other."""
    good = system.run("doctor", "--dkim", "news@acme.example", "--stream", "acme.newsletter")
    assert good == "acme.newsletter, from news@acme.example: covered\n"
    bad = system.run("doctor", "--dkim", "news@other.example", code=1)
    assert bad == "bulk, from news@other.example: not covered: List-Unsubscribe, List-Unsubscribe-Post\n"
    assert system.events("dkim_uncovered")[-1]["stream"] == "bulk"


def test_a_copy_of_the_newsletter_itself_is_looked_at(system: System) -> None:
    """The milter sends one an hour; nobody signs for the newsletter's domain here."""
    newsletter(system, "copied@example.org")
    wait_for(lambda: [each for each in system.events("dkim_uncovered") if each["stream"] == "acme.newsletter"], "it")


def test_while_the_intake_is_away_mail_waits(system: System) -> None:
    """Nothing is lost and nothing bounces; it comes once the service is back."""
    address = mailto(newsletter(system, "patient@example.org"))
    socket = system.directory / "intake.sock"
    hidden = socket.rename(socket.with_suffix(".away"))
    write(system, "patient@example.org", address)
    system.postfix.wait_log(r"to=<unsubscribe\+.*status=deferred \(connect to .*intake\.sock")
    assert reasons(system, "patient@example.org") == []
    hidden.rename(socket)
    system.postfix.flush()
    stands(system, "patient@example.org", ("acme.newsletter", "unsubscribe"))
