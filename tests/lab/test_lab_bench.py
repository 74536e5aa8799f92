"""The bench: the floor does what a milter must at the least, and the rates are those of accepted mail."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from bench import run
from bench.contenders import Command, Floor, build_floor
from bench.report import markdown
from bench.rounds import Measurement
from bench.smtp_source import Load, drive
from lab.errors import LabError
from lab.mta import Action, Edit, Kind, Mta, Protocol
from lab.postfix import Postfix, cannot_run
from lab.process import wait_for

HEADER_FILE = Path("/usr/include/libmilter/mfapi.h")
needs_postfix = pytest.mark.skipif(cannot_run() is not None, reason=str(cannot_run()))
needs_compiler = pytest.mark.skipif(
    shutil.which("cc") is None or not HEADER_FILE.exists(), reason="a C compiler and libmilter's headers are needed"
)


@needs_compiler
def test_the_floor_adds_two_headers_and_asks_for_no_more_than_it_needs(directory: Path) -> None:
    """A fair floor decides by recipient, sees the headers, and never sees the body."""
    contender = Floor(directory)
    try:
        path = contender.start().removeprefix("unix:")
        with Mta(path) as mta:
            assert mta.actions == Action.ADDHDRS
            assert Protocol.NOBODY | Protocol.NR_HDR | Protocol.NR_MAIL in mta.protocol
            mta.mail("<news@test.example>").is_a(Kind.NO_REPLY)
            mta.rcpt("<bob@example.org>").is_a(Kind.CONTINUE)
            mta.header("Subject", "Hello").is_a(Kind.NO_REPLY)
            mta.eom().is_a(Kind.CONTINUE)
        first, second = mta.edits
        assert re.fullmatch(r"<https://\S{72}>,\n\t<mailto:\S+@example.com>", first.value)
        assert second == Edit("addheader", "List-Unsubscribe=One-Click", name="List-Unsubscribe-Post")
    finally:
        contender.stop()


@needs_compiler
def test_the_floor_refuses_to_be_called_without_a_socket(directory: Path) -> None:
    """It says how it is called; and a contender that cannot serve is an error."""
    program = build_floor(directory)
    contender = Command("lonely", [program], directory / "never.sock")
    try:
        with pytest.raises(LabError, match=r"(?s)lonely: ended before.*usage: floor SOCKET"):
            contender.start()
    finally:
        contender.stop()


@needs_postfix
@pytest.mark.parametrize(("reuse", "sessions"), [(False, 40), (True, 4)])
def test_the_load_is_what_was_asked_for(directory: Path, reuse: bool, sessions: int) -> None:
    """So many messages, to as many people, in a session each or in few sessions."""
    with Postfix(directory) as postfix:
        postfix.wait_log("disconnect from")  # that of the start's own greeting
        assert drive(postfix.port(), Load(messages=40, sessions=4, length=100, reuse=reuse)) > 0
        postfix.wait_empty()
        recipients = set(re.findall(r"to=<(\d+bob@example\.org)>", postfix.log()))
        assert len(recipients) == 40
        wait_for(lambda: postfix.log().count("disconnect from") > sessions, "the end of the last session")
        assert postfix.log().count("disconnect from") == sessions + 1


@needs_postfix
def test_refused_mail_has_no_rate(directory: Path) -> None:
    """A milter that refuses all would be fast indeed."""
    refusing = Postfix(directory, main={"smtpd_sender_restrictions": "reject"})
    with refusing, pytest.raises(LabError, match="smtp-source: exit"):
        drive(refusing.port(), Load(messages=2, sessions=1))


def test_the_table_compares_with_the_first_two() -> None:
    """By the median of the rounds' ratios: round two was slow for all, and does not count against one."""
    rates = {"no milter": [100.0, 10.0, 100.0], "C floor": [50.0, 5.0, 50.0], "ours": [40.0, 4.0, 50.0]}
    text = markdown([Measurement(Load(reuse=True), rates)], ["python", "-m", "bench.run", "--name", "a b"])
    assert "Command: `python -m bench.run --name 'a b'`" in text
    assert "2000 messages of 4096 octets over 10 sessions, 3 rounds" in text
    assert "Sessions reused:" in text
    assert "| ours | 40 | 4 | 50 | 40% | 80% |" in text


@needs_postfix
@needs_compiler
def test_the_bench_measures_all_three(capsys: pytest.CaptureFixture[str]) -> None:
    """Postfix alone, the floor and consentmilter are in the table."""
    options = ["--rounds", "1", "--messages", "20", "--sessions", "2", "--mode", "new", "--people", "100"]
    assert run.main(options) == 0
    printed = capsys.readouterr()
    names = re.findall(r"^\| ([a-zA-Z ]+) \| \d+ \|", printed.out, re.MULTILINE)
    assert names == ["no milter", "C floor", "consentmilter"]
    assert "round 1 of 1: consentmilter, new session each:" in printed.err


@needs_compiler
def test_a_milter_that_does_not_start_is_said(directory: Path) -> None:
    """With what it printed."""
    command = [sys.executable, "-c", "raise SystemExit('no key file')"]
    contender = Command("broken", command, directory / "never.sock")
    try:
        with pytest.raises(LabError, match="no key file"):
            contender.start()
    finally:
        contender.stop()


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--people", "0"], ["--mode", "fast"]])
def test_a_wrong_call_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started."""
    with pytest.raises(SystemExit) as exit_:
        run.main(arguments)
    assert exit_.value.code == 2
    assert "usage: python -m bench.run" in capsys.readouterr().err
