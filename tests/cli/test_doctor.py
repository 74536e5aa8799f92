"""`consentmilter doctor --dkim`: the test mail that it sends, and what it makes of the intake's answer."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

import pytest

from consentmilter import tokens
from consentmilter.service.keyfile import read_keys
from consentmilter.tokens import Purpose, stream_hash
from lab.delivered import Delivered
from lab.sink import Sink
from tests.cli.installation import SITE, Installation
from tests.docs.pages import code, page, table

INTAKE = {"socket": "unix:/nowhere/intake.sock"}
DOCTOR = ("doctor", "--dkim", "news@acme.example", "--wait", "20")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture
def checked(site: Installation, sink: Sink) -> Installation:
    """A site with a self-check, whose mail server is the sink."""
    submit = {**INTAKE, "submit": f"127.0.0.1:{sink.port}"}
    site.configure(**{**SITE, "milter": {"self_check": "check@example.com"}, "intake": submit})
    return site


@contextmanager
def intake(site: Installation, sink: Sink, detail: str | None) -> Iterator[list[Delivered]]:
    """What the intake does with the test mail, after an older check: note what it found for the stream of the link."""
    note(site, "acme.newsletter", 0, "of another day")
    got: list[Delivered] = []

    def answer() -> None:
        got.extend(sink.wait())
        if detail:
            note(site, stream_of(site, got[0]), int(datetime.now(UTC).timestamp()), detail)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield got
    finally:
        thread.join()


def note(site: Installation, stream: str, at: int, detail: str) -> None:
    with closing(sqlite3.connect(site.store, timeout=5)) as database, database:
        row = (stream, at, detail == "covered", detail)
        database.execute("INSERT OR REPLACE INTO dkim_check VALUES (?, ?, ?, ?)", row)


def stream_of(site: Installation, delivered: Delivered) -> str:
    link = re.search(r"/u/([a-z2-7]{52})>", delivered.headers("List-Unsubscribe")[0])
    assert link
    token = tokens.read(link[1], Purpose.UNSUBSCRIBE, read_keys(site.keys))
    return {stream_hash(name): name for name in ("acme.newsletter", "bulk")}[token.stream]


def test_a_signature_that_covers_both_fields_is_told(checked: Installation, sink: Sink) -> None:
    """The mail is one of the stream, with both fields, from the address that was asked about."""
    with intake(checked, sink, "covered") as got:
        done = checked.run(*DOCTOR, "--stream", "acme.newsletter")
    assert done.out == "acme.newsletter, from news@acme.example: covered\n"
    [mail] = got
    assert (mail.mail_from, mail.rcpt_tos) == ("news@acme.example", ("check@example.com",))
    assert mail.headers("From") == ["news@acme.example"]
    assert mail.headers("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]


def test_one_that_does_not_is_told_with_what_to_do(checked: Installation, sink: Sink) -> None:
    """Exit code 1; without --stream the rules tell the stream of the mail."""
    with intake(checked, sink, "not covered: List-Unsubscribe-Post"):
        done = checked.run(*DOCTOR, "--json", code=1)
    assert done.json == {
        "stream": "bulk",
        "sender": "news@acme.example",
        "covered": False,
        "detail": "not covered: List-Unsubscribe-Post",
    }
    assert "SignHeaders *,+List-Unsubscribe-Post" in done.err
    documented = [code(row[0]) for row in table(page("commands.md"), "key of `doctor --json`", "meaning")]
    assert documented == list(done.json)


def test_a_mail_that_does_not_come_back_is_told(checked: Installation, sink: Sink) -> None:
    """Exit code 3; what another mail showed on another day is no answer."""
    with intake(checked, sink, None):
        done = checked.run("doctor", "--dkim", "n@acme.example", "--wait", "1", "--stream", "acme.newsletter", code=3)
    assert "did not come to the intake within 1 s" in done.err


def test_a_mail_that_is_not_taken_is_told(checked: Installation, sink: Sink) -> None:
    """With the words of the mail server."""
    sink.refuse("check@example.com", "550 5.1.1 who?")
    assert "refused with 550 5.1.1 who?" in checked.run(*DOCTOR, code=3).err


@pytest.mark.parametrize(
    ("config", "words", "said"),
    [
        ({}, DOCTOR, "--dkim needs milter.self_check"),
        ({"milter": {"self_check": "c@example.com"}}, DOCTOR, "and intake.socket"),
        ({"milter": {"self_check": "c@example.com"}, "intake": INTAKE, "bulk": False}, DOCTOR, "name it with --stream"),
        ({"milter": {"self_check": "c@example.com"}, "intake": INTAKE}, (*DOCTOR, "--stream", "x"), "unknown stream"),
        ({"milter": {"self_check": "c@example.com"}, "intake": INTAKE}, ("doctor", "--dkim", "news"), "no domain"),
    ],
)
def test_what_cannot_work_is_said(
    site: Installation, config: dict[str, object], words: tuple[str, ...], said: str
) -> None:
    """Exit code 2."""
    site.configure(**{**SITE, **config})
    assert said in site.run(*words, code=2).err
