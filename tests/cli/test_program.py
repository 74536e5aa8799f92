"""The installed program: exit codes, what goes to standard output and what to standard error, help, and start-up."""

import fcntl
import os
import re
import resource
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import consentmilter
from consentmilter.cli import commands
from consentmilter.cli.commands import COMMANDS
from consentmilter.service import keyfile
from consentmilter.store.writer import Store
from tests.cli.installation import PROGRAM, Done, Installation, failing_import, program, run, words_of

HEAVY = {"alembic", "rich", "consentmilter.supervisor", "consentmilter.milter", "Milter"}
"""What takes long to load, and is of use to few commands."""


def each_command(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, as the words that call it."""
    below = getattr(command or typer.main.get_command(commands.app), "commands", None)
    if below is None:
        yield words
    for name, part in (below or {}).items():
        yield from each_command(part, (*words, name))


EVERY = list(each_command())
GROUPS = {words[0] for words in EVERY if len(words) > 1}


def test_each_command_works_through_the_program(bare: Installation) -> None:
    """With its exit code, data on standard output, and talk on standard error.

    Some of them as processes, so that there is one of each kind: talk and data, and either alone.
    """
    site = bare
    listed = site.file("list.csv", "email\nb@x.example\nnobody\n")
    letter = site.file("letter.eml", "Subject: x\n\nbody\n")
    envelope = ["--from", "n@acme.example", "--login", "newsletter"]
    expected: list[tuple[list[Any], int, str, str]] = [
        (["init"], 0, "made keys: ", "note: "),
        (["config", "check"], 0, f"{site.config_file}: good", "warning: "),
        (["config", "show"], 0, "mode: enforce", ""),
        (["config", "schema"], 0, "{", ""),
        (["add", "a@x.example"], 0, "1 new, 0 known", ""),
        (["import", listed], 1, f"{listed} (csv): 1 new, 0 known, 1 bad of 2 rows", f"{listed}: taken for "),
        (["check", "c@x.example"], 0, "acme.newsletter: accept", ""),
        (["check", "a@x.example"], 1, "acme.newsletter: reject", ""),
        (["explain", "a@x.example"], 0, "a@x.example  (key ", ""),
        (["trace", letter, "--to", "c@x.example", *envelope], 0, "c@x.example: accept", ""),
        (["trace", letter, "--to", "a@x.example", *envelope], 1, "a@x.example: reject", ""),
        (["remove", "a@x.example", "--evidence", "x"], 0, "a@x.example: lifted manual", ""),
        (["remove", "a@x.example", "--evidence", "x"], 1, "", "a@x.example: nothing to lift"),
    ]
    started = {("init",), ("import", listed), ("config", "show"), ("remove", "a@x.example", "--evidence", "x")}
    for words, code, out, err in expected:
        done = (site.program if tuple(words) in started else site.run)(*words, code=code)
        assert out in done.out, words
        assert done.err.startswith(err) if err else done.err in ("", NO_ROOT), words


NO_ROOT = "note: the files belong to who ran this; the service's user is consentmilter, and only root gives to it\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "Usage: consentmilter"),
        (["chekc"], "No such command 'chekc'. Did you mean 'check'?"),
        (["check"], "Missing argument"),
        (["check", "a@x.example", "b@x.example"], "unexpected extra argument"),
        (["check", "a@x.example", "--no-such"], "No such option"),
        (["--no-such", "check"], "No such option"),
        (["config"], "Usage: consentmilter config"),
        (["config", "chek"], "No such command 'chek'. Did you mean 'check'"),
        (["remove", "a@x.example"], "Missing option '--evidence'"),
        (["trace", "x.eml"], "Missing option '--from'"),
        (["--config"], "requires an argument"),
    ],
)
def test_wrong_usage_ends_with_2(words: list[str], said: str) -> None:
    """And says what there is on standard error."""
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_version_is_printed_by_itself(tmp_path: Path) -> None:
    """Without a command, a configuration, or anything else."""
    assert program("--version") == Done(0, f"{consentmilter.__version__}\n", "")
    assert program("--config", tmp_path / "no", "--version").out == f"{consentmilter.__version__}\n"


def test_a_module_is_a_program() -> None:
    """`python -m consentmilter` is the same."""
    done = subprocess.run([sys.executable, "-m", "consentmilter", "--version"], capture_output=True, check=True)
    assert done.stdout.decode() == f"{consentmilter.__version__}\n"


def test_no_store_ends_with_3_and_the_mend(bare: Installation) -> None:
    """For every command that asks it."""
    bare.run("init")
    for path in bare.store.parent.glob("consent.db*"):
        path.unlink()
    letter = bare.file("letter.eml", "\n")
    calls: list[list[Any]] = [
        ["check", "a@x.example"],
        ["explain", "a@x.example"],
        ["add", "a@x.example"],
        ["remove", "a@x.example", "--evidence", "x"],
        ["import", letter],
        ["trace", letter, "--from", "n@acme.example", "--to", "a@x.example", "--login", "newsletter"],
    ]
    for words in calls:
        done = bare.run(*words, code=3)
        assert done.err == f"error: there is no database at {bare.store}: run `consentmilter init`\n", words
        assert done.out == "" or words[0] == "trace"


def test_other_keys_end_with_3_and_the_mend(site: Installation) -> None:
    """Every look-up would miss in silence."""
    site.keys.unlink()
    keyfile.make_keys(site.keys, os.urandom)
    for words in (["check", "a@x.example"], ["explain", "a@x.example"], ["add", "a@x.example"], ["init"]):
        done = site.run(*words, code=3)
        assert "was made with another key 'subject-1': put the key file that it was made with in place" in done.err
        assert done.out.count("\n") == (2 if words == ["init"] else 0)


def test_a_store_that_is_locked_ends_with_3(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while, which is shorter here, and with what to do."""
    monkeypatch.setattr("consentmilter.cli.writing.Store.open", partial(Store.open, lock_timeout=0.2))
    with site.store.with_name("consent.db-lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = site.run("add", "a@x.example", code=3)
    assert "is locked by another process that writes; try again later" in done.err


def test_a_fault_of_ours_ends_with_4_and_a_traceback(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never with 1, which would mean that the answer is no."""

    def faulty(*_arguments: object) -> None:
        raise ZeroDivisionError("an error of ours")

    monkeypatch.setattr("consentmilter.service.question.decide", faulty)
    done = site.run("check", "a@x.example", code=4)
    assert done.out == ""
    assert "Traceback (most recent call last):" in done.err
    assert "ZeroDivisionError: an error of ours" in done.err
    assert done.err.endswith("\nerror: a fault of consentmilter; nothing half-done is left behind\n")


@pytest.mark.parametrize(
    "module", ["consentmilter.cli.commands", "consentmilter.cli.check", "consentmilter.store.reader"]
)
def test_a_broken_installation_ends_with_4(site: Installation, monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """As in the middle of an upgrade: not with 1 either."""
    for name in ("check", "reading"):
        monkeypatch.delitem(sys.modules, f"consentmilter.cli.{name}", raising=False)
    commands._load.cache_clear()
    failing_import(monkeypatch, module, ImportError(f"no {module}"))
    done = site.run("check", "a@x.example", code=4)
    assert f"ImportError: no {module}" in done.err


def test_a_reader_who_leaves_early_is_no_fault(site: Installation) -> None:
    """`consentmilter config schema | head -1` says nothing on standard error, and is no answer of any kind."""
    process = subprocess.Popen(
        [PROGRAM, "--config", site.config_file, "config", "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert (process.wait(30), process.stderr.read()) == (141, b"")
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["check", "a@x.example"], ["config", "show", "--json"]])
def test_output_that_cannot_be_written_ends_with_3(site: Installation, words: list[str]) -> None:
    """A disk that is full must not look like an answer."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAM, "--config", site.config_file, *words],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=100,
        )
    assert (done.returncode, done.stderr) == (3, b"error: standard output: No space left on device\n")


@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_talk_that_nobody_hears_stops_nothing(site: Installation, stderr: str) -> None:
    """An import goes on when the terminal of its messages is gone, and a fault keeps its exit code."""
    listed = site.file("list.txt", "nobody\na@x.example\n")

    def code_of(words: str) -> int:
        command = f"{PROGRAM} --config {site.config_file} {words} {stderr}"
        return subprocess.run(
            ["/bin/sh", "-c", command], stdout=subprocess.DEVNULL, check=False, timeout=100
        ).returncode

    assert code_of(f"import {listed}") == 1
    assert len(site.rows()) == 1
    assert code_of("add nobody") == 2
    assert code_of(f"import {site.directory}/missing") == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("check a@x.example >&-", 3, "error: standard output is closed\n"),
        ("explain a@x.example --json >&-", 3, "error: standard output is closed\n"),
        ("import - <&-", 2, "error: standard input (-) is closed\n"),
        ("trace - --from a@x.example --to b@x.example <&-", 2, "error: standard input (-) is closed\n"),
        ("import - </dev/null", 0, "-: taken for a plain list (one address or domain a line)\n"),
    ],
)
def test_streams_that_are_closed_are_named(site: Installation, words: str, code: int, said: str) -> None:
    """Whoever started the program may have closed them."""
    command = f"{PROGRAM} --config {site.config_file} {words}"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, timeout=100)
    assert (done.returncode, done.stderr.decode()) == (code, said)


@pytest.mark.parametrize("words", [(), *EVERY, *((group,) for group in sorted(GROUPS))], ids=" ".join)
def test_help_is_a_sentence_and_what_else_there_is(words: tuple[str, ...]) -> None:
    """On standard output, and in a terminal's width, but for the example, which can be copied."""
    done = run(*words, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith(f"Usage: {' '.join(('consentmilter', *words))} ")
    assert re.fullmatch(r"  [A-Z].*\.", done.lines[2])
    if words in EVERY:
        assert [line[:11] for line in done.lines if "Example:" in line] == ["  Example: "]
    assert all(len(line) <= 80 or line.startswith(("  Example: ", "  --reason", "  --format")) for line in done.lines)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_option_says_what_it_is_for(words: tuple[str, ...]) -> None:
    """Every argument too."""
    command = typer.main.get_command(commands.app)
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]  # a group, until the last
    for parameter in command.params:
        assert getattr(parameter, "help", None), parameter.name


def test_the_summaries_of_all_commands_are_whole_sentences() -> None:
    """None is cut where the terminal ends."""
    for words in ((), *((group,) for group in GROUPS)):
        lines = run(*words, "--help").lines
        summaries = lines[lines.index("Commands:") + 1 :]
        assert len(summaries) == len(COMMANDS) if not words else len(summaries) > 1
        assert all(line.endswith(".") and not line.endswith("...") for line in summaries)


OTHERWISE = {
    ("undo",): 2,  # there is no such import
    ("review",): 1,  # nothing waits
    ("doctor",): 2,  # there is no self-check
    ("consent", "request"): 2,  # nobody is set up to send the question
    ("consent", "show"): 1,  # nothing is recorded
    ("subject", "release"): 1,  # nobody is held
    ("store", "copy"): 3,  # there is no such server
}
"""How examples end that need more than this site has."""

TALK: dict[tuple[str, ...], list[str]] = {
    ("import",): ["opted-out.csv: taken for a list with columns "],
    ("undo",): ["error: there is no import "],
    ("export",): ["opted-out.csv (sendgrid): ", "sendgrid cannot say: ", "cursor: "],
    ("consent", "request"): ["error: nobody can be asked: "],
    ("config", "check"): [
        "warning: web.listen ",
        "warning: intake.socket ",
        "warning: streams: no rule leads to acme.offers",
    ],
    ("doctor",): ["error: --dkim needs "],
    ("store", "copy"): ["error: postgresql://consentmilter@db1/consent: "],
}
"""What they say on standard error, line by line, as it begins; the others say nothing."""


@pytest.mark.parametrize("words", [words for words in EVERY if words != ("run",)], ids=" ".join)
def test_the_example_of_every_command_runs(
    site: Installation, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """As it stands, where its files are; the one of `run` is what every test of the service starts."""
    site.run("add", "reader@example.net", "--scope", "acme.newsletter")
    site.run("add", "raeder@example.net", "--scope", "acme.newsletter")
    config = yaml.safe_load(site.config_file.read_text())
    config["streams"]["acme.offers"] = {"requires_consent": True}
    site.configure(**config)
    site.file("opted-out.csv", "email,date\nreader@example.net,2026-02-01\n")
    site.file("opted-in.csv", "email,at\nreader@example.net,2026-02-01\n")
    site.file("letter.eml", "From: news@acme.example\nSubject: News\n\nbody\n")
    [example] = [line.strip() for line in run(*words, "--help").lines if "Example:" in line]
    line = example.removeprefix("Example: ")
    assert shlex.split(line)[: 1 + len(words)] == ["consentmilter", *words]
    monkeypatch.chdir(site.directory)
    done = typed(site, line)
    assert done.code == OTHERWISE.get(words, 0), done
    talk = TALK.get(words, [])
    said = done.err.splitlines()
    assert [line[: len(begin)] for line, begin in zip(said, talk, strict=True)] == talk


@pytest.mark.parametrize("words", [["--version"], ["check", "a@x.example"], ["config", "check"]])
def test_a_command_loads_what_it_needs_and_no_more(site: Installation, words: list[str]) -> None:
    """Migrations and the service are for others."""
    assert loaded(site, *words) & HEAVY == set()


def test_the_changing_commands_load_no_more_either(site: Installation) -> None:
    """Nor do they draw bars where nobody looks."""
    for words in (["add", "a@x.example"], ["explain", "a@x.example"], ["import", "/dev/null"]):
        assert loaded(site, *words) & HEAVY == set()
    assert "sqlalchemy.ext.asyncio" not in loaded(site, "check", "b@x.example")


def test_a_worker_loads_what_it_needs_and_no_more() -> None:
    """For a store in a file, nothing of a server's; and nothing that draws on terminals."""
    script = "import sys, consentmilter.milter.worker, consentmilter.milter.application\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=100)
    assert set(done.stdout.decode().split()) & {"alembic", "rich", "sqlalchemy.dialects.postgresql", "psycopg"} == set()


def test_what_is_loaded_would_be_noticed(site: Installation) -> None:
    """The look at the modules sees what `init` needs."""
    assert "alembic" in loaded(site, "init")


def test_check_starts_fast(site: Installation) -> None:
    """It computes for not much longer than its libraries take to load, on a machine of whatever speed."""
    libraries = (sys.executable, "-c", "import pydantic, sqlalchemy, typer, yaml")
    check = (PROGRAM, "--config", site.config_file, "check", "a@x.example")
    assert min(seconds(check) for _ in range(3)) < 4 * min(seconds(libraries) for _ in range(3))


def typed(site: Installation, line: str) -> Done:
    """A line that somebody types into a shell; what takes no shell is run in this process."""
    words = words_of(line)
    if words is not None:
        return site.run(*words, code=None)
    script = site.file("consentmilter", f'#!/bin/sh\nexec {PROGRAM} --config {site.config_file} "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    environment = {**os.environ, "PATH": f"{site.directory}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "-c", line], env=environment, capture_output=True, check=False, timeout=100)
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


def loaded(site: Installation, *words: str) -> set[str]:
    """The modules that a command had loaded when it ended."""
    script = (
        "import sys\nfrom consentmilter.cli import main\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--config", site.config_file, *words],
        capture_output=True,
        check=False,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode in (0, 1), done
    return set(done.stderr.decode().split())


def seconds(command: Sequence[str | Path]) -> float:
    """The processor's time that a command takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=100)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
