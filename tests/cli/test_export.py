"""`consentmilter export`: what goes where, what is told, and what a fault on the way leaves behind."""

import json
import os
import pty
import stat
import subprocess
from pathlib import Path

import pytest

from consentmilter.cli.output import READER_LEFT
from tests.cli.installation import PROGRAM, Installation


@pytest.fixture(scope="module")
def made(set_up: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A site with an address, a domain, and an entry that ends, to begin with."""
    site = Installation(tmp_path_factory.mktemp("made")).begin_as(set_up)
    site.run("add", "a@x.example", "--scope", "acme", "--reason", "unsubscribe")
    site.run("add", ".example.org", "--reason", "objection")
    site.run("add", "b@x.example", "--scope", "acme.newsletter", "--expires", "2100-01-01")
    return site


@pytest.fixture
def listed(bare: Installation, made: Installation) -> Installation:
    """A site with an address, a domain, and an entry that ends."""
    return bare.begin_as(made)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A site for what changes nothing."""
    site = Installation(tmp_path_factory.mktemp("untouched"))
    site.run("init")
    site.run("add", "a@x.example")
    return site


def entries(site: Installation) -> int:
    """How many exports the ledger knows."""
    [(count,)] = site.rows("SELECT count(*) FROM ledger WHERE action = 'export'")
    return int(count)


def test_the_list_goes_to_standard_output_and_the_talk_beside_it(listed: Installation) -> None:
    """As CSV, unless another format is asked for."""
    done = listed.run("export")
    assert done.lines[0] == "email,scope,reason,created,expires,origin,batch,asserted_again"
    assert {line.partition(",")[0] for line in done.lines[1:]} == {"a@x.example", ".example.org", "b@x.example"}
    talk = done.err.splitlines()
    assert talk[0] == "- (csv): 3 rows"
    assert talk[1].startswith("cursor: ")
    assert len(talk) == 2


def test_what_a_format_leaves_out_and_cannot_say_is_told(listed: Installation) -> None:
    """In numbers, on standard error."""
    listed.alter("UPDATE suppression SET address = NULL WHERE address = 'a@x.example'")
    done = listed.run("export", "--format", "sendgrid")
    assert [line.partition(",")[0] for line in done.lines] == ["email", "b@x.example"]
    assert done.err.splitlines()[:3] == [
        "- (sendgrid): 1 row",
        "left out: 1 without an address, 1 for domains",
        "sendgrid cannot say: the reason of 1, the scope of 1, the end of 1",
    ]


def test_a_file_is_written_whole_and_for_its_owner_only(listed: Installation) -> None:
    """Whatever the umask, and whatever stood there before; nothing else is left beside it."""
    directory = listed.directory / "out"
    directory.mkdir()
    target = directory / "list.csv"
    target.write_text("old")
    target.chmod(0o666)
    done = listed.run("export", "-o", target)
    assert done.out == ""
    assert done.err.startswith(f"{target} (csv): 3 rows\n")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert len(target.read_text().splitlines()) == 4
    assert list(directory.iterdir()) == [target]


def test_a_link_is_followed(listed: Installation) -> None:
    """As a shell does it: the file behind it is replaced, not the link."""
    target, link = listed.file("real.csv", "old"), listed.directory / "link.csv"
    link.symlink_to(target)
    listed.run("export", "--output", link)
    assert link.is_symlink()
    assert target.read_text().startswith("email,")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["-o", "/dev/null"], "/dev/null: not a regular file (- is standard output)"),
        (["-o", "/"], "/: not a regular file (- is standard output)"),
        (["-o", "/nowhere/list.csv"], "/nowhere/list.csv: the directory is missing"),
        (["--scope", "acme", "--stream", "acme.newsletter"], "--scope and --stream: say one of them"),
        (["--stream", "acme.news"], "--stream: unknown stream 'acme.news' (did you mean acme.newsletter?)"),
        (["--after", "soon"], "--after: 'soon' is no date (write 2026-02-01 or 2026-02-01T12:30:00Z)"),
        (["--before", "2026-13-01"], "--before: '2026-13-01' is no date (write 2026-02-01 or 2026-02-01T12:30:00Z)"),
        (["--batch", "x"], "there is no import x"),
        (["--since", "x"], "this is no cursor"),
        (
            ["--format", "changes", "--after", "2026-01-01"],
            "--format changes has no --after and --before: it begins with --since CURSOR",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    untouched: Installation, words: list[str], says: str
) -> None:
    """With a sentence, exit code 2, and no ledger entry."""
    done = untouched.run("export", *words, code=2)
    assert (done.out, done.err) == ("", f"error: {says}\n")
    assert entries(untouched) == 0
    assert Path("/dev/null").is_char_device()  # root could have replaced it


def test_a_stream_means_everybody_who_may_not_get_it(listed: Installation) -> None:
    """Those of wider scopes too; a scope means what stands in it."""
    listed.run("add", "c@x.example", "--scope", "acme.security")
    for words, there in (
        (["--stream", "acme.newsletter"], {"a@x.example", ".example.org", "b@x.example"}),
        (["--scope", "acme"], {"a@x.example"}),
        (["--scope", "acme.security"], {"c@x.example"}),
        (["--reason", "unsubscribe", "--reason", "objection"], {"a@x.example", ".example.org"}),
        (["--before", "2026-01-01"], set[str]()),
    ):
        lines = listed.run("export", *words).lines[1:]
        assert {line.partition(",")[0] for line in lines} == there, words


def test_a_scope_that_is_not_set_up_any_more_can_be_exported(listed: Installation) -> None:
    """It is noted, since it may be a slip."""
    done = listed.run("export", "--scope", "old.news")
    assert done.err.splitlines()[:2] == [
        "note: no stream of the configuration is in the scope 'old.news'",
        "- (csv): 0 rows",
    ]


def test_an_export_goes_on_from_the_cursor_of_the_one_before(listed: Installation) -> None:
    """The cursor is in the talk, in text and in JSON."""
    first = listed.run("export", "-o", listed.directory / "all.csv", "--json").json
    listed.run("add", "d@x.example")
    listed.run("remove", "a@x.example", "--evidence", "asked")
    done = listed.run("export", "--since", first["cursor"])
    assert [line.partition(",")[0] for line in done.lines[1:]] == ["d@x.example"]
    assert done.err.splitlines()[1] == "lifted since: 1 (only --format changes can tell)"
    cursor = done.err.splitlines()[-1].removeprefix("cursor: ")
    assert listed.run("export", "--since", cursor).err.splitlines()[0] == "- (csv): 0 rows"
    changes = listed.run("export", "--since", first["cursor"], "--format", "changes").lines
    assert [json.loads(line)["action"] for line in changes] == ["add", "lift"]


def test_json_talk_goes_where_the_data_does_not(listed: Installation) -> None:
    """To standard output beside a file, else to standard error."""
    beside = listed.run("export", "-o", listed.directory / "all.csv", "--json")
    assert beside.err == ""
    below = listed.run("export", "--json")
    assert below.lines[0].startswith("email,")
    talk = json.loads(below.err)
    assert beside.json | {"file": "-"} == talk | {"cursor": beside.json["cursor"]}
    assert talk["rows"] == 3


def test_nothing_is_handed_out_that_is_not_in_the_ledger(listed: Installation) -> None:
    """The entry comes first: where it cannot be made, there is neither a file nor a line of output."""
    listed.alter("CREATE TRIGGER full BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'no more'); END")
    target = listed.directory / "out"
    target.mkdir()
    for words in ([], ["-o", target / "list.csv"]):
        done = listed.run("export", *words, code=3)
        assert done.out == ""
        assert "no more" in done.err
    assert list(target.iterdir()) == []
    listed.alter("DROP TRIGGER full")
    listed.run("export")
    assert entries(listed) == 1


def test_a_reader_that_leaves_early_is_no_fault(listed: Installation) -> None:
    """The exit code is the one of a broken pipe, without a traceback; the ledger knows of the export."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [PROGRAM, "--config", listed.config_file, "export"],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(writing)
    assert done.returncode == READER_LEFT
    assert b"Traceback" not in done.stderr
    assert entries(listed) == 1


def test_a_full_disk_is_told(untouched: Installation) -> None:
    """As one of what takes the output, not as a fault of ours."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [PROGRAM, "--config", untouched.config_file, "export"],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 3
    assert done.stderr == b"error: standard output: No space left on device\n"


def test_a_bar_is_drawn_on_a_terminal_only(listed: Installation) -> None:
    """On standard error; the data is the same."""
    controller, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [PROGRAM, "--config", listed.config_file, "export"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=terminal,
            timeout=60,
            check=True,
        )
        shown = os.read(controller, 65536)
    finally:
        os.close(terminal)
        os.close(controller)
    assert done.stdout == listed.run("export").out.encode()
    assert b"export" in shown
    assert b"\x1b" in shown


def test_the_export_names_the_key_that_entries_without_an_address_need(listed: Installation) -> None:
    """The check value that the store has of it."""
    listed.alter("UPDATE suppression SET address = NULL WHERE address = 'a@x.example'")
    lines = map(json.loads, listed.run("export", "--format", "jsonl").lines)
    [key] = [line["key"] for line in lines if "subject" in line]
    [(key_id, value)] = listed.rows("SELECT key_id, lower(hex(value)) FROM key_check WHERE key_id LIKE 'subject%'")
    assert key == f"{key_id}:{value}"
