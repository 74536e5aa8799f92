"""`consentmilter import` of files as they come: of other systems, packed, in folders, with bad rows to be mended."""

import gzip
import json
import os
from pathlib import Path

import pytest
import zstandard

from consentmilter.cli import meter
from consentmilter.service import unpacking
from consentmilter.service.importing import Progress
from tests.cli.installation import Installation

CORPUS = Path(__file__).parents[1] / "importers" / "corpus"
MAILGUN = "address,code,error,created_at\n"
BOUNCE = '{0},550,gone,"Sat, 01 Jun 2024 10:00:00 GMT"\n'


@pytest.fixture
def folder(site: Installation) -> Path:
    """A folder where others drop files."""
    path = site.directory / "incoming"
    path.mkdir()
    return path


def test_a_file_of_a_known_system_says_what_it_was_taken_for(site: Installation) -> None:
    """And what it holds besides opt-outs, by kind; the reasons and dates are those of the file."""
    done = site.run("import", CORPUS / "telnyx.csv")
    assert "taken for the suppression list of Telnyx (columns to, reason, source, scope, status)\n" in done.err
    assert "(telnyx): 5 new, 0 known, 0 bad, 1 skipped: removed from the list of 6 rows, batch " in done.out
    query = "SELECT reason, datetime(created, 'unixepoch'), expires IS NULL FROM suppression ORDER BY created"
    assert site.rows(query)[:3] == [
        ("hard_bounce", "2024-06-01 10:00:00", 1),
        ("complaint", "2024-06-01 10:01:00", 1),
        ("unsubscribe", "2024-06-01 10:02:00", 0),
    ]
    assert site.rows("SELECT rows, new, known, bad, skipped FROM import_batch") == [(6, 5, 0, 0, 1)]


def test_the_reason_of_the_command_comes_before_that_of_a_dialect(site: Installation) -> None:
    """But not before one that a row gives; without it, the dialect knows."""
    site.run("import", CORPUS / "mailgun-complaints.csv")
    site.run("import", CORPUS / "sendgrid-spam-reports.csv", "--reason", "objection")
    assert site.rows("SELECT address, reason FROM suppression ORDER BY address") == [
        ("angry@example.com", "complaint"),
        ("angry@example.com", "objection"),
        ("other@example.com", "objection"),
    ]


def test_what_has_expired_is_passed_over(site: Installation) -> None:
    """By kind, like rows that are no opt-outs."""
    assert "1 skipped: expired of 4 rows" in site.run("import", CORPUS / "cloudflare.csv").out


def test_a_feed_of_changes_is_refused(site: Installation) -> None:
    """It holds people who came off the list again."""
    change = dict.fromkeys(["action", "at", "subject", "address", "scope", "reason", "origin", "batch"], "x")
    done = site.run("import", "-", given=json.dumps(change).encode(), code=2)
    assert done.err.startswith("error: -: this is a feed of changes of consentmilter: ")


def test_an_unclear_header_stops_with_the_line_to_run(site: Installation) -> None:
    """Which, run, imports the file; without a header columns go by their place."""
    listed = site.file("list.csv", "Nr;Wer mag nicht\n1;ann@example.com\n")
    told = site.run("import", listed, code=2).err
    assert told.endswith(f"import {listed} --map 'email=Wer mag nicht'\n")
    assert "1 new" in site.run("import", listed, "--map", "email=Wer mag nicht").out
    listed = site.file("bare.csv", "1;bob@example.com;left\n2;cid@example.com;left\n")
    assert site.run("import", listed, code=2).err.endswith("--map email=2\n")
    assert "2 new" in site.run("import", listed, "--map", "email=2").out


def test_an_unknown_format_is_refused_with_the_one_that_was_meant(site: Installation) -> None:
    """Or with all of them."""
    assert "did you mean mailgun-bounces?" in site.run("import", "-", "--format", "mailgun-bounce", code=2).err
    assert "use auto, csv, jsonl, " in site.run("import", "-", "--format", "xyz", code=2).err


def test_hash_lists_go_into_a_list_of_their_own(site: Installation) -> None:
    """By the name of the file, or the one that is given; how digests were made is part of it."""
    done = site.run("import", CORPUS / "md5.txt")
    assert "(hashes): 3 new, 0 known, 0 bad of 3 rows" in done.out
    again = site.run("import", CORPUS / "md5.txt", "--list", "partner", "--hashed-from", "as-is", "--dry-run").out
    assert ": 0 new, 3 known" in again
    site.run("import", CORPUS / "sha256.csv", "--list", "partner", "--hashed-from", "as-is", code=1)
    assert site.rows("SELECT DISTINCT list, length(digest) FROM hash_suppression ORDER BY 1") == [
        ("md5.txt", 16),
        ("partner (as-is)", 32),
    ]


def test_our_own_export_comes_back_as_it_was(site: Installation) -> None:
    """Scopes, reasons and times of rows are those of the file, and a subject key says who."""
    key = site.rows("SELECT key_id, hex(value) FROM key_check WHERE key_id LIKE 'subject%'")[0]
    text = (CORPUS / "consentmilter.jsonl").read_text().replace("subject-1:0011", f"{key[0]}:{key[1].lower()}")
    assert ": 4 new, 0 known, 0 bad" in site.run("import", "-", given=text.encode()).out
    query = "SELECT scope, reason, datetime(created, 'unixepoch'), address FROM suppression ORDER BY created"
    assert site.rows(query) == [
        ("acme", "unsubscribe", "2026-03-14 09:26:53", "reader@example.net"),
        ("*", "legal", "2026-03-14 09:26:54", ".example.org"),
        ("acme.news", "unsubscribe", "2026-03-14 09:26:55", None),
    ]
    assert site.rows("SELECT scope, reason, list FROM hash_suppression") == [("*", "manual", "partner")]


def test_an_entry_made_with_another_key_means_nobody(site: Installation) -> None:
    """It is a bad row, and the others go in."""
    done = site.run("import", CORPUS / "consentmilter.jsonl", code=1)
    assert ":3: subject: the subject key was made with another key than this site has\n" in done.err
    assert ": 3 new, 0 known, 1 bad" in done.out


def test_bad_rows_are_written_down_mended_and_imported(site: Installation) -> None:
    """As they were, with their line and the cause, which nobody has to remove."""
    listed = site.file(
        "list.csv", MAILGUN + BOUNCE.format("a@x.example") + BOUNCE.format("=b at x") + "c@x.example,550,x,y\n"
    )
    rejects = site.directory / "bad.csv"
    done = site.run("import", listed, "--rejects", rejects, code=1)
    assert done.err.endswith(f"{rejects}: the bad rows, to be mended and imported\n")
    assert rejects.stat().st_mode & 0o777 == 0o600
    head, first, second = rejects.read_text().splitlines()
    assert head == "address,code,error,created_at,import_line,import_cause"
    assert first.startswith('"\'=b at x",550,gone,"Sat, 01 Jun 2024 10:00:00 GMT",3,"email: ')
    assert second.startswith("c@x.example,550,x,y,4,\"date: 'y' is no date")
    mended = rejects.read_text().replace(" at x", "@x.example").replace(",x,y,", ",x,2024-06-01,")
    done = site.run("import", site.file("mended.csv", mended))
    assert "(mailgun-bounces): 2 new, 0 known, 0 bad of 2 rows" in done.out
    assert [row[0] for row in site.rows("SELECT address FROM suppression ORDER BY 1")] == [
        "=b@x.example",
        "a@x.example",
        "c@x.example",
    ]


@pytest.mark.parametrize(
    "name", ["ses-damaged.csv", "sha1.txt", "access", "array.json", "sendgrid-bounces-damaged.csv"]
)
def test_rejected_rows_of_any_file_are_read_again_with_the_same_faults(site: Installation, name: str) -> None:
    """Nothing but what was bad is in the file, and it is recognised for what it is."""
    rejects, again = site.directory / "bad.csv", site.directory / "again.csv"
    first = site.run("import", CORPUS / name, "--rejects", rejects, "--json", code=1).json[0]
    second = site.run("import", rejects, "--rejects", again, "--json", code=1).json[0]
    assert second["rows"] == second["bad"] == first["bad"]
    assert "import_line" in again.read_text().splitlines()[0]
    assert again.read_text().splitlines()[0] == rejects.read_text().splitlines()[0]


def test_rejects_never_take_the_place_of_a_file_to_import(site: Installation) -> None:
    """Whatever it is called by."""
    listed = site.file("list.txt", "nobody\na@x.example\n")
    link = site.directory / "link"
    link.symlink_to(listed)
    assert "that is a file to import" in site.run("import", listed, "--rejects", link, code=2).err
    assert listed.read_text() == "nobody\na@x.example\n"


def test_files_with_other_columns_have_rejects_of_their_own(site: Installation) -> None:
    """With a number; one that had no bad rows has none, and an older file is replaced."""
    files = [
        site.file("a.csv", "email\nx\n"),
        site.file("b.csv", "email,name\ny,Ann\n"),
        site.file("c.txt", "a@x.example"),
    ]
    rejects = site.file("bad.csv", "old")
    site.run("import", *files, "--rejects", rejects, code=1)
    assert rejects.read_text().startswith("email,import_line,import_cause\nx,2,")
    assert (site.directory / "bad-2.csv").read_text().startswith("email,name,import_line,import_cause\ny,Ann,2,")
    assert sorted(path.name for path in site.directory.glob("*bad*")) == ["bad-2.csv", "bad.csv"]


def test_too_many_bad_rows_stop_an_import(site: Installation) -> None:
    """What was read before goes in and stays; the same command with more patience goes on to the end."""
    listed = site.file("list.txt", "a@x.example\nx\ny\nz\n" + "".join(f"p{n}@x.example\n" for n in range(500)))
    done = site.run("import", listed, "--max-errors", "2", code=1)
    assert "stopped after too many bad rows: what went in stays" in done.out
    assert len(site.rows()) >= 1
    assert site.rows("SELECT finished FROM import_batch") == [(None,)]
    assert "501 new, 0 known, 3 bad of 504 rows" in site.run("import", listed, "--max-errors", "3", code=1).out
    assert len(site.rows("SELECT id FROM import_batch")) == 1


def test_the_files_of_a_folder_are_imported_by_name(site: Installation, folder: Path) -> None:
    """Hidden ones are passed over, and links, which could lead to what only we may read."""
    (folder / "b.txt").write_text("b@x.example\n")
    (folder / "a.txt").write_text("a@x.example\n")
    (folder / ".c.txt").write_text("c@x.example\n")
    (folder / "d.txt").symlink_to(site.keys)
    (folder / "e").mkdir()
    done = site.run("import", folder)
    assert [line.partition(" ")[0] for line in done.lines] == [str(folder / "a.txt"), str(folder / "b.txt")]
    assert f"{folder}/d.txt: passed over, it is no regular file\n" in done.err
    assert f"{folder}/e: passed over" in done.err
    assert [row[0] for row in site.rows("SELECT address FROM suppression ORDER BY 1")] == ["a@x.example", "b@x.example"]


def test_a_file_that_cannot_be_understood_does_not_keep_the_others_out(site: Installation, folder: Path) -> None:
    """It stays where it is, and the exit code tells."""
    done_files = site.directory / "done"
    done_files.mkdir()
    (folder / "a.csv").write_text("Name\tPhone\nAnn\t1\n")
    (folder / "b.txt").write_text("b@x.example\n")
    site.run("import", folder, "--move-to", done_files, code=2)
    assert [path.name for path in folder.iterdir()] == ["a.csv"]
    assert [path.name for path in done_files.iterdir()] == ["b.txt"]
    assert len(site.rows()) == 1


def test_a_done_file_never_takes_the_place_of_another(site: Installation, folder: Path) -> None:
    """It gets a number. A dry run and an import that was stopped move nothing."""
    done_files = site.directory / "done"
    done_files.mkdir()
    listed = folder / "list.txt"
    for number in range(3):
        listed.write_text(f"p{number}@x.example\n")
        site.run("import", listed, "--move-to", done_files, "--dry-run")
        assert listed.exists()
        assert f"moved to {done_files}/list.txt" in site.run("import", folder, "--move-to", done_files).err
        assert not listed.exists()
    assert {path.name: path.read_text() for path in done_files.iterdir()} == {
        "list.txt": "p0@x.example\n",
        "list.txt.2": "p1@x.example\n",
        "list.txt.3": "p2@x.example\n",
    }
    listed.write_text("x\ny\nz@x.example\n")
    site.run("import", listed, "--move-to", done_files, "--max-errors", "0", code=1)
    assert listed.exists()


def test_a_folder_without_files_is_done(site: Installation, folder: Path) -> None:
    """As a timer finds it most of the time."""
    assert site.run("import", folder).out == ""
    assert site.run("import", folder, "--json").json == []


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_a_packed_file_is_the_same_as_it_was_unpacked(site: Installation, pack: object) -> None:
    """Also to the question whether it was imported before."""
    assert callable(pack)
    content = "".join(f"p{n}@x.example\n" for n in range(1000)).encode()
    assert "1000 new" in site.run("import", "-", given=pack(content)).out
    assert "imported already" in site.run("import", "-", given=content).out


GZIP = gzip.compress(b"a@x.example\n" * 9, mtime=0)
ZSTD = zstandard.ZstdCompressor().compress(b"a@x.example\n" * 9)
BOMB = b"a" * (unpacking.FREE_OCTETS + (1 << 20))
TORN = "file is damaged or ends too soon"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(GZIP[:-9], f"the gzip {TORN}", id="torn gzip"),
        pytest.param(ZSTD[:-2], f"the zstd {TORN}", id="torn zstd"),
        pytest.param(ZSTD + ZSTD[:9], f"the zstd {TORN}", id="torn second frame"),
        pytest.param(b"\x1f\x8bnonsense", f"the gzip {TORN}", id="no gzip"),
        pytest.param(b"\x28\xb5\x2f\xfdnonsense", f"the zstd {TORN}", id="no zstd"),
        pytest.param(gzip.compress(BOMB), "the gzip file unpacks to more than 200 times its size", id="gzip bomb"),
        pytest.param(
            zstandard.ZstdCompressor().compress(BOMB), "the zstd file unpacks to more than 200 times", id="zstd bomb"
        ),
    ],
)
def test_a_packed_file_that_is_damaged_or_a_bomb_is_refused(site: Installation, content: bytes, what: str) -> None:
    """Before anything of it goes in, as it is looked through first."""
    assert f"error: -: {what}" in site.run("import", "-", given=content, code=2).err
    assert site.rows("SELECT * FROM import_batch") == []


def test_several_packed_parts_are_one_file(site: Installation) -> None:
    """As when packed files were joined."""
    assert ": 1 new, 17 known" in site.run("import", "-", given=ZSTD + ZSTD).out
    assert ": 1 new, 17 known" in site.run("import", "-", "--scope", "acme", "--dry-run", given=GZIP + GZIP).out


def test_a_file_that_is_no_utf_8_is_read_as_western_and_says_so(site: Installation) -> None:
    """Its addresses are what Postfix will offer; UTF-16 says by itself what it is."""
    done = site.run("import", CORPUS / "latin-1.csv", CORPUS / "utf-16.csv")
    assert f"{CORPUS}/latin-1.csv: not UTF-8, so it is read as Windows-1252\n" in done.err
    assert done.err.count("Windows") == 1
    site.run("check", "j\u00fcrgen@example.com", code=1)


def test_a_file_that_changes_while_it_is_read_is_not_done(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody still writes it; imported again, it is another file."""
    listed = site.file("list.txt", "a@x.example\n")
    real = unpacking.examine

    def examined(file: object) -> object:
        found = real(file)  # type: ignore[arg-type]  # a file, as the real one gets it
        with listed.open("a") as more:
            more.write("b@x.example\n")
        return found

    monkeypatch.setattr("consentmilter.service.importing.examine", examined)
    assert "changed while it was read" in site.run("import", listed, code=2).err
    monkeypatch.undo()
    assert "of 2 rows" in site.run("import", listed).out


def test_a_line_tells_of_the_progress_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no terminal; with the share, the counts, the rate and the time left."""
    clock = iter([0.0, 1.0, 6.0, 6.0, 7.0, 12.0, 12.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with meter.meter("list.csv", 1000) as move:
        move(Progress(octets=100, rows=10))
        move(Progress(octets=500, rows=3000))
        move(Progress(octets=1000, rows=6000))
        move(Progress(octets=1000, rows=6000, stored=3000, to_store=6000))
    assert capsys.readouterr().err.splitlines() == [
        "list.csv: 25%, 3000 rows, 500 rows/s, 18 s left",
        "list.csv: 75%, 6000 rows, 3000 stored, 500 rows/s, 4 s left",
    ]


def test_a_pipe_is_no_folder(site: Installation) -> None:
    """A name that leads nowhere stops all before the first file."""
    listed = site.file("list.txt", "a@x.example\n")
    done = site.run("import", listed, site.directory / "nowhere", code=2)
    assert done.err == f"error: {site.directory}/nowhere: {os.strerror(2)}\n"
    assert site.rows() == []
