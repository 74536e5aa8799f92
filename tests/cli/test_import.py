"""`consentmilter import`: what goes in, what is told of what does not, and what a second time does."""

import gzip
import os
import pty
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consentmilter.model import Reason
from tests.cli.installation import PROGRAM, SITE, Installation, started

SAMPLES = Path(__file__).parents[2] / "conf"
LIST = "email,reason,date\na@x.example,unsubscribe,2026-02-01\nb@x.example,complaint,2026-02-02\n"


def test_every_row_goes_in(site: Installation) -> None:
    """With its reason, or the one of the command."""
    listed = site.file("list.csv", LIST + "C@X.example,,\n.example.org,,\n")
    done = site.run("import", listed, "--scope", "acme", "--reason", "objection")
    [(batch,)] = site.rows("SELECT id FROM import_batch")
    assert done.out == f"{listed} (csv): 4 new, 0 known, 0 bad of 4 rows, batch {batch}\n"
    said = "taken for a list with columns (email in 'email', reason in 'reason', date in 'date')"
    assert done.err == f"{listed}: {said}\n"
    rows = site.rows("SELECT address, scope, reason, created, batch FROM suppression ORDER BY 1")
    [domain, a, b, c] = rows
    assert a == ("a@x.example", "acme", "unsubscribe", int(datetime(2026, 2, 1, tzinfo=UTC).timestamp()), batch)
    assert b[2:4] == ("complaint", int(datetime(2026, 2, 2, tzinfo=UTC).timestamp()))
    assert (c[0], c[2]) == ("c@x.example", "objection")
    assert (domain[0], domain[2]) == (".example.org", "objection")


@pytest.mark.parametrize("name", ["sample-suppressions.csv", "sample-suppressions.txt"])
def test_the_samples_go_in(site: Installation, name: str) -> None:
    """Those that the project ships."""
    done = site.run("import", SAMPLES / name)
    assert ", 0 bad of " in done.out
    site.run("check", "reader@example.net", code=1)


def test_bad_rows_are_told_with_their_line_and_the_rest_goes_in(site: Installation) -> None:
    """On standard error, and exit code 1."""
    listed = site.file(
        "list.csv", LIST + "nobody,,\nc@x.example,dislike,\n\nd@x.example,,never\ne@x.example,,\n,manual,\n"
    )
    done = site.run("import", listed, code=1)
    assert ": 3 new, 0 known, 4 bad of 7 rows, batch " in done.out
    assert done.err.splitlines()[1:] == [
        f"{listed}:4: email: 'nobody' is neither an address nor a domain",
        f"{listed}:5: reason: unknown reason 'dislike' (use {', '.join(Reason)}; --map reason= reads none)",
        f"{listed}:7: date: 'never' is no date (write 2026-02-01, 2026-02-01T12:30:00Z or seconds since 1970)",
        f"{listed}:9: email: no address",
    ]


def test_bad_rows_without_end_are_counted(site: Installation) -> None:
    """A file of the wrong kind does not fill the terminal."""
    done = site.run("import", "-", "--format", "txt", given=b"nobody\n" * 200, code=1)
    assert len(done.err.splitlines()) == 51
    assert done.err.endswith("-: more bad rows are counted, not shown\n")
    assert "200 bad of 200 rows" in done.out


def test_what_a_file_says_plays_no_tricks_on_the_terminal(site: Installation) -> None:
    """Neither its rows nor its name, and no row is shown at any length."""
    listed = site.file(
        "l\x1b[2Jist.txt", "a\x1b]0x\x07@x.example\n" + "y" * 5000 + "\n\u00fccaf\udce9@x.example\na@\u202ex\n"
    )
    done = site.run("import", listed, code=1)
    assert not set("\x1b\x07\u202e") & set(done.err + done.out)
    assert max(map(len, done.err.splitlines())) < 400
    assert ":3: email: the address is not UTF-8\n" in done.err


def test_the_same_file_again_changes_nothing_and_says_so(site: Installation) -> None:
    """Whatever its name is now. Not even a row is marked as asserted again."""
    listed = site.file("list.csv", LIST)
    batch = site.run("import", listed, "--json").json[0]["batch"]
    before = site.rows("SELECT * FROM suppression"), site.rows("SELECT * FROM ledger")
    other = site.file("other.csv", LIST)
    done = site.run("import", other)
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    assert done.out.startswith(f"{other}: imported already on {when} ")
    assert done.out.endswith(f" UTC as batch {batch}, nothing changed\n")
    assert (site.rows("SELECT * FROM suppression"), site.rows("SELECT * FROM ledger")) == before


def test_the_same_file_again_says_so_even_if_it_had_bad_rows(site: Installation) -> None:
    """It changes nothing, and nothing new is bad."""
    listed = site.file("list.csv", LIST + "nobody,,\n")
    site.run("import", listed, code=1)
    assert "nothing changed" in site.run("import", listed).out


def test_another_scope_reason_or_reading_is_another_import(site: Installation) -> None:
    """The file says something else then."""
    listed = site.file("list.csv", "email,other\na@x.example,b@x.example\n")
    for words in ([], ["--scope", "acme"], ["--reason", "manual"], ["--map", "email=other"]):
        assert "1 new, 0 known" in site.run("import", listed, *words).out
    assert len(site.rows()) == 4


def test_what_stands_is_known(site: Installation) -> None:
    """From elsewhere, or from an earlier row."""
    site.run("add", "a@x.example", "--reason", "imported")
    done = site.run("import", "-", given=b"a@x.example\nb@x.example\nB@X.example\n")
    assert ": 1 new, 2 known, 0 bad of 3 rows, " in done.out


def test_standard_input_is_a_file(site: Installation) -> None:
    """Through a pipe as well, which can be read only once."""
    assert site.run("import", "-", given=LIST.encode()).out.startswith("- (csv): 2 new")
    assert "imported already" in site.program("import", "-", given=LIST.encode()).out
    assert site.rows("SELECT file FROM import_batch") == [("-",)]


def test_a_named_pipe_is_a_file(site: Installation) -> None:
    """As a shell gives one for <(zcat FILE)."""
    path = site.directory / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(LIST.encode(),))
    writer.start()
    try:
        assert site.run("import", path).out.startswith(f"{path} (csv): 2 new")
    finally:
        writer.join(10)


def test_several_files_are_several_imports(site: Installation) -> None:
    """Each with a line of its own, and exit code 1 if any had a bad row."""
    files = [
        site.file("one.csv", LIST),
        site.file("two.txt", "c@x.example\nnobody\n"),
        site.file("three.jsonl", '{"email":"d@x.example"}\n'),
    ]
    done = site.run("import", *files, code=1)
    assert [line.partition(":")[0] for line in done.lines] == [f"{path} ({path.suffix[1:]})" for path in files]
    assert len(site.rows("SELECT * FROM import_batch")) == 3


def test_a_file_that_is_missing_stops_all_before_the_first(site: Installation) -> None:
    """A name that is mistyped is noticed before anything goes in."""
    listed = site.file("list.csv", LIST)
    done = site.run("import", listed, site.directory / "lits.csv", code=2)
    assert (done.out, done.err) == ("", f"error: {site.directory}/lits.csv: No such file or directory\n")
    assert "only once" in site.run("import", "-", "-", code=2).err
    assert site.rows() == []


def test_what_went_in_before_a_fault_is_told(site: Installation) -> None:
    """The file behind it cannot be understood."""
    files = [site.file("one.csv", LIST), site.file("two.csv", "name;phone\nAnn;1\n")]
    done = site.run("import", *files, "--json", code=2)
    assert [report["new"] for report in done.json] == [2]
    error = done.err.splitlines()[-1]
    assert error.startswith(f"error: {files[1]}: no column of addresses among: 'name', 'phone'; run: consentmilter ")
    assert error.endswith(f" import {files[0]} {files[1]} --json --map email=COLUMN")


def test_no_file_is_wrong_usage(site: Installation) -> None:
    """Rather than an import of nothing."""
    assert "Missing argument" in site.run("import", code=2).err


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            gzip.compress(gzip.compress(b"email\na@x.example\n", mtime=0), mtime=0),
            "this is packed twice: unpack the gzip file in it",
        ),
        (b"PK\x03\x04rest", "this is a ZIP archive or a spreadsheet"),
        (b"SQLite format 3\0rest", "this is a database"),
        (b"a@x.example,LEFT\n", "no column of addresses among: 'a@x.example', 'LEFT'; run: consentmilter "),
        (b"subject:\n  id: 1\n  key: c2VjcmV0\n", "this is no list: there is no line that is an address or a domain"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_the_mend(site: Installation, content: bytes, what: str) -> None:
    """Before anything is recorded of it."""
    path = site.file("list", content)
    done = site.run("import", path, code=2)
    assert done.err.startswith(f"error: {path}: {what}")
    assert site.rows("SELECT * FROM import_batch") == []


def test_an_empty_file_is_an_import_of_nobody(site: Installation) -> None:
    """It is no fault."""
    assert ": 0 new, 0 known, 0 bad of 0 rows, batch " in site.run("import", "-", given=b"").out


def test_the_format_may_be_given(site: Installation) -> None:
    """Where it would be detected wrongly: this local part has a comma."""
    assert ": 1 new" in site.run("import", "-", "--format", "txt", given=b'"a,b"@x.example\n').out
    site.run("import", "-", "--format", "csv", given=b"a@x.example\n", code=2)
    site.run("import", "-", "--format", "xls", code=2)


def test_columns_are_named_by_map(site: Installation) -> None:
    """Several at once; one can be left out."""
    content = b"Kontakt;Datum;reason\na@x.example;2026-02-01;gone away\n"
    words = ["--map", "email=Kontakt", "--map", "date=Datum", "--map", "reason="]
    assert "1 new" in site.run("import", "-", *words, given=content).out
    assert site.rows("SELECT reason, date(created, 'unixepoch') FROM suppression") == [("imported", "2026-02-01")]


@pytest.mark.parametrize("wrong", ["email", "emial=x", "=x", "email=", ""])
def test_a_map_that_maps_nothing_is_refused(site: Installation, wrong: str) -> None:
    """With the way to write it."""
    done = site.run("import", "-", "--map", wrong, given=LIST.encode(), code=2)
    assert done.err.startswith(f"error: --map {wrong}: write OURS=COLUMN, where OURS is one of email, hash, reason, ")


def test_an_unknown_scope_is_refused(site: Installation) -> None:
    """Before anything goes in."""
    assert "unknown scope 'amce'" in site.run("import", "-", "--scope", "amce", given=b"a@x.example", code=2).err


def test_a_dry_run_changes_nothing(site: Installation) -> None:
    """And says what the import then does, people who stand twice in files of any length included."""
    site.run("add", "p7@x.example", "--reason", "imported")
    people = "".join(f"p{n}@x.example\n" for n in range(12_000)) + "p1@x.example\nP2@x.example\nnobody\n"
    listed = site.file("list.txt", people)
    before = site.store.stat().st_mtime_ns, site.rows("SELECT * FROM ledger")
    done = site.run("import", listed, "--dry-run", code=1)
    assert done.out == (f"{listed} (txt): 11999 new, 3 known, 1 bad of 12003 rows (dry run, nothing changed)\n")
    assert f"{listed}:12003: email: 'nobody'" in done.err
    assert (site.store.stat().st_mtime_ns, site.rows("SELECT * FROM ledger")) == before
    assert site.rows("SELECT * FROM import_batch") == []
    assert ": 11999 new, 3 known, 1 bad of 12003 rows, batch" in site.run("import", listed, code=1).out
    assert "nothing changed" in site.run("import", listed, "--dry-run").out


def test_addresses_are_not_stored_where_the_site_says_so(bare: Installation) -> None:
    """The rows are there, and refuse."""
    bare.configure(**SITE, privacy={"store_addresses": False})
    bare.run("init")
    bare.run("import", "-", given=LIST.encode() + b".example.org,,\n")
    assert bare.rows("SELECT DISTINCT address FROM suppression") == [(None,)]
    assert b"x.example" not in b"".join(path.read_bytes() for path in bare.store.parent.iterdir())
    bare.run("check", "a@x.example", code=1)
    bare.run("check", "z@m.example.org", code=1)


def test_import_prints_json(site: Installation) -> None:
    """A list with the same keys for each file, whatever became of it."""
    listed = site.file("list.csv", LIST + "nobody,,\n")

    def said(*words: object, code: int) -> dict[str, Any]:
        [report] = site.run("import", listed, "--json", *words, code=code).json
        assert isinstance(report, dict)
        return report

    first, again = said(code=1), said(code=0)
    counts = ["rows", "new", "known", "bad", "skipped"]
    keys = ["file", "file_format", "batch", "finished", "resumed", "stopped", *counts]
    assert list(first) == list(again) == list(said("--dry-run", "--scope", "acme", code=1)) == keys
    assert [first[key] for key in keys[4:]] == [False, False, 3, 2, 0, 1, {}]
    assert (first["file"], first["file_format"], first["finished"]) == (str(listed), "csv", None)
    assert again["batch"] == first["batch"]
    assert datetime.fromisoformat(again["finished"]).tzinfo is not None


def test_a_bar_is_drawn_on_a_terminal(site: Installation) -> None:
    """On standard error; standard output has the data and nothing else."""
    shown, out = with_terminal(site, lambda: site.file("list.txt", "".join(f"p{n}@x.example\n" for n in range(30_000))))
    assert b"%" in shown
    assert b"\x1b[" in shown
    assert out.endswith(b" rows, batch " + out.rpartition(b" ")[2])
    assert b"\x1b" not in out


def test_no_bar_is_drawn_elsewhere(site: Installation) -> None:
    """A log file has no use for it."""
    listed = site.file("list.txt", "".join(f"p{n}@x.example\n" for n in range(30_000)))
    told = site.program("import", listed).err
    first, *further = told.splitlines()
    assert first == f"{listed}: taken for a plain list (one address or domain a line)"
    assert [line for line in further if not line.endswith(" s left")] == []  # a slow machine says how far it is
    assert not {"\r", "\x1b"} & set(told)


def with_terminal(site: Installation, make: Callable[[], Path]) -> tuple[bytes, bytes]:
    """What an import writes to a terminal that is its standard error, and to its standard output."""
    ours, theirs = pty.openpty()
    try:
        words = ("--config", site.config_file, "import", make())
        with started(*words, stdout=-1, stderr=theirs, stdin=-3) as process:
            os.close(theirs)
            shown = b""
            while octets := _read(ours):
                shown += octets
            out, _ = process.communicate(timeout=100)
            assert process.returncode == 0
            return shown, out
    finally:
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end any more
        return b""


def test_the_program_is_installed() -> None:
    """The tests of processes run it as a user would."""
    assert PROGRAM.is_file()
