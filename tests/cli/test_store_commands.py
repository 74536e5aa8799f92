"""`consentmilter store`: migrate, status, copy, backup."""

import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from consentmilter.model import Mode
from consentmilter.service import copy_pages
from consentmilter.store.journal import Journal, JournalRow
from consentmilter.store.sqlite import upkeep
from tests.cli.installation import SITE, Installation, started
from tests.docs.pages import codes, page, tables
from tests.ledger.alterations import unguarded
from tests.store.stores import POSTGRES
from tests.store.support import NOON, wait_for

READER = "reader@example.net"
PAGES = 3
SECTIONS = ("migrate", "status", "copy", "backup")


LIST = "email\nb@x.example\nc@x.example\n"


@pytest.fixture(scope="module")
def made(set_up: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A site with a list, to begin with."""
    site = Installation(tmp_path_factory.mktemp("made")).begin_as(set_up)
    site.run("add", READER, "--evidence", "called")
    site.run("import", site.file("list.csv", LIST))
    return site


@pytest.fixture
def told(bare: Installation, made: Installation) -> Installation:
    """A site with a list."""
    bare.file("list.csv", LIST)
    return bare.begin_as(made)


def at(site: Installation, url: str) -> None:
    """Have the site's store there from now on."""
    site.configure(**{**SITE, "store": {"url": url}})


def names_in(site: Installation) -> list[str]:
    """What lies beside the configuration."""
    return sorted(path.name for path in site.directory.iterdir())


def beside(site: Installation) -> str:
    """The URL of another file."""
    return f"sqlite:///{site.store.with_name('new.db')}"


def documented(command: str, heading: str) -> list[str]:
    """The JSON keys on the page, of a table in the section of the command."""
    section = page("commands.md").partition(f"\n## `store {command}`\n")[2].partition("\n## ")[0]
    return [name for table in tables(section) if table[0][0] == heading for row in table[1:] for name in codes(row[0])]


def test_databases_that_are_up_to_date_stay_as_they_are(told: Installation) -> None:
    """And it says so."""
    core, journal = told.run("store", "migrate").lines
    assert core == f"core: sqlite:///{told.store}: has version 0003 already"
    assert journal.endswith("journal.db: has version 0001 already")
    data = told.run("store", "migrate", "--json").json
    assert [list(each) for each in data] == [documented("migrate", "key of `store migrate --json`")] * 2


def test_older_databases_are_migrated_and_their_ledger_sealed(told: Installation) -> None:
    """A dry run only says so."""
    with closing(sqlite3.connect(told.store)) as store:
        for name in ("seal", "consent", "legal_hold", "exemption_use"):
            store.execute(f"DROP TABLE {name}")
        store.executescript(
            "DROP INDEX ledger_batch; DROP TRIGGER ledger_evidence_no_update; DROP TRIGGER ledger_evidence_no_delete; "
            "DROP TRIGGER ledger_evidence_no_replace; ALTER TABLE suppression DROP COLUMN repeated; "
            "ALTER TABLE hash_suppression DROP COLUMN repeated; UPDATE schema_version SET version_num = '0002'"
        )
    assert told.run("store", "status", code=1).lines[-1].endswith("run `consentmilter store migrate`")
    assert "would be migrated from version 0002 to 0003" in told.run("store", "migrate", "--dry-run").lines[0]
    assert "was migrated from version 0002 to 0003" in told.run("store", "migrate").lines[0]
    assert told.run("ledger", "verify").out.startswith("good: 2 entries")
    told.run("store", "status")


@pytest.mark.parametrize("words", [["migrate"], ["migrate", "--dry-run"]])
def test_a_younger_database_is_left_to_its_program(told: Installation, words: list[str]) -> None:
    """Exit code 3."""
    told.alter("UPDATE schema_version SET version_num = '9999'")
    assert "9999" in told.run("store", *words, code=3).err
    assert "has version 9999 of the core schema, and not 0003" in told.run("store", "status", code=1).out


@pytest.mark.parametrize(
    "words", [["migrate"], ["status"], ["backup", "x.db"], ["copy", "--to", "sqlite:////tmp/x.db"]]
)
def test_a_database_that_is_away_is_3(told: Installation, words: list[str]) -> None:
    """Nothing is made in its place."""
    told.store.unlink()
    assert "there is no database" in told.run("store", *words, code=3).err
    assert not told.store.exists()


def test_a_store_that_is_well_says_what_it_is_and_holds(told: Installation) -> None:
    """As text and as data, with all keys on the page."""
    lines = told.run("store", "status").lines
    assert lines[0] == f"store: SQLite {sqlite3.sqlite_version}, {told.store}"
    assert lines[1] == "  schema: 0003, wanted 0003"
    assert lines[3].startswith("  ledger: 2 entries, of 20")
    assert lines[4].endswith("suppression 3")
    assert lines[5].startswith("journal: SQLite ")
    data = told.run("store", "status", "--json").json
    assert list(data) == documented("status", "key of `store status --json`")
    assert list(data["store"]) == list(data["journal"]) == documented("status", "key of `store` and `journal`")
    assert list(data["store"]["ledger"]) == documented("status", "key of `ledger`")
    assert data["store"]["rows"]["suppression"] == 3
    assert data["needs"] == []


def test_what_needs_somebody_is_said_with_1(told: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that nobody sealed, and a WAL that grows."""
    unguarded(f"sqlite:///{told.store}")
    told.alter("DELETE FROM seal WHERE position = 2")
    told.alter("UPDATE ledger SET at = 1 WHERE id = 2")
    monkeypatch.setattr(upkeep, "WAL_TOO_LARGE", -1)
    needs = told.run("store", "status", "--json", code=1).json["needs"]
    assert [need.partition(":")[0] for need in needs] == [
        f"{told.store}-wal has 0 MiB",
        "1 entries of the ledger are not sealed",
        f"{told.journal}-wal has 0 MiB",
    ]


def test_a_site_moves_to_a_server_and_back(told: Installation) -> None:
    """With store and journal; what the list says of everybody stays the same, and the ledger is good."""
    verdict(told)
    url = POSTGRES.database("template0")
    explained = told.run("explain", READER, "--json", code=None).json
    dry = told.run("store", "copy", "--to", url, "--journal", "--dry-run").lines
    assert "suppression: 3 rows, 3 to be added" in dry
    assert dry[-1] == "journal: 1 rows, 1 to be added"
    done = told.run("store", "copy", "--to", url, "--journal")
    assert [line.replace("to be ", "") for line in dry] == done.lines[:-1]
    assert done.lines[-1] == "nobody can work with the copy yet: move to it with --final"
    moved = told.run("store", "copy", "--to", url, "--journal", "--final").lines
    assert moved[-3] == "the ledger is good: 2 entries"
    assert moved[-2].startswith("moved: ")
    assert "has moved to postgresql://" in told.run("check", READER, code=3).err
    assert "has moved to postgresql://" in told.run("store", "status", code=1).lines[-1]
    told.config_file.write_text(yaml.safe_dump({**site_at(told), **yaml.safe_load(moved[-1])}))
    assert told.run("explain", READER, "--json", code=None).json == explained
    told.run("remove", READER, "--evidence", "wrote")
    verdict(told, url)
    status = told.run("store", "status", "--json", code=1).json
    assert (status["store"]["kind"], status["journal"]["rows"]) == ("PostgreSQL", {"journal": 2})
    assert status["store"]["replicas"] == []
    assert [need.partition(":")[0] for need in status["needs"]] == ["fsync is off", "synchronous_commit is off"]
    back = told.run("store", "copy", "--to", f"sqlite:///{told.store}", "--journal", "--final", "--json").json
    assert list(back) == documented("copy", "key of `store copy --json`")
    assert list(back["tables"][0]) == documented("copy", "key of a table")
    assert (back["moved"], back["entries"], back["fault"]) == (True, 3, None)
    told.configure(**SITE)
    assert told.run("ledger", "verify").out.startswith("good: 3 entries")
    assert len(told.rows()) == 2
    told.run("store", "status")


def site_at(site: Installation) -> dict[str, Any]:
    return {**SITE, "keys": {"file": str(site.keys)}}


def verdict(site: Installation, url: str | None = None) -> None:
    """Write a row into the journal."""
    journal = Journal(url or f"sqlite:///{site.journal}", on_trouble=pytest.fail)
    journal.put(JournalRow(NOON, "ref", "reject", Mode.ENFORCE))
    journal.close()


def test_a_journal_of_its_own_is_not_overwritten(told: Installation) -> None:
    """Nor one that has its own place."""
    other = Installation(told.directory / "other")
    other.keys.write_bytes(told.keys.read_bytes())
    other.run("init")
    verdict(told)
    verdict(other)
    verdict(other)
    to = f"sqlite:///{other.store}"
    assert "has a journal of its own" in told.run("store", "copy", "--to", to, "--journal", code=3).err
    told.run("store", "copy", "--to", to)
    told.configure(**{**SITE, "store": {"url": f"sqlite:///{told.store}", "journal": f"sqlite:///{told.journal}"}})
    assert "stays there" in told.run("store", "copy", "--to", to, "--journal", code=2).err


def test_a_new_file_belongs_to_the_service_like_the_one_before(told: Installation) -> None:
    """With the same mode, in the same directory."""
    told.run("store", "copy", "--to", beside(told), "--final")
    new = told.store.with_name("new.db")
    assert (new.stat().st_mode, new.stat().st_gid) == (told.store.stat().st_mode, told.store.stat().st_gid)
    at(told, beside(told))
    told.run("add", "d@x.example")
    told.run("store", "status")


@pytest.mark.parametrize(
    ("to", "code_", "words"),
    [
        ("nonsense", 3, "no URL"),
        ("mysql://db/consent", 3, "not supported"),
        ("sqlite:////nowhere/at/all.db", 2, "the directory above it is missing"),
        ("postgresql://postgres:geheim@127.0.0.1:1/consent", 3, "127.0.0.1"),
    ],
)
def test_a_place_that_can_be_no_store_is_told(told: Installation, to: str, code_: int, words: str) -> None:
    """Without the password."""
    done = told.run("store", "copy", "--to", to, code=code_)
    assert words in done.err
    assert "geheim" not in done.err


def test_a_database_that_something_else_lives_in_is_no_target(told: Installation) -> None:
    """On a server as in a file."""
    url = POSTGRES.database("template0")
    POSTGRES.server.execute("CREATE TABLE orders (id int)", url.rpartition("/")[2])
    assert "already holds other tables (orders)" in told.run("store", "copy", "--to", url, code=3).err


def test_a_role_that_may_not_make_tables_is_told(told: Installation) -> None:
    """With what it lacks."""
    url = POSTGRES.database("template0")
    server = POSTGRES.server
    if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = 'copier'"):
        server.execute("CREATE ROLE copier LOGIN")
    done = told.run("store", "copy", "--to", url.replace("postgres@", "copier@"), code=3)
    assert "the database role lacks a right" in done.err
    told.run("add", "d@x.example")


def test_ctrl_c_leaves_a_copy_that_goes_on(told: Installation) -> None:
    """130 in the middle of the pages, and the same command again comes to the end."""
    people = "".join(f"p{number}@x.example\n" for number in range(PAGES * copy_pages.ROWS_AT_ONCE))
    told.run("import", told.file("long.csv", f"email\n{people}"))
    words = ("--config", told.config_file, "store", "copy", "--to", beside(told), "--final")
    with started(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for_rows(told.store.with_name("new.db"), process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")
    told.run("add", "d@x.example")
    done = told.run("store", "copy", "--to", beside(told), "--final", "--json").json
    [tally] = [each for each in done["tables"] if each["table"] == "suppression"]
    assert tally["rows"] == PAGES * copy_pages.ROWS_AT_ONCE + 4
    assert 0 < tally["added"] < tally["rows"]
    at(told, beside(told))
    assert told.run("ledger", "verify").out.startswith("good: ")


def wait_for_rows(file: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a page of the list is there."""

    def there() -> bool:
        assert process.poll() is None
        if not file.exists():
            return False
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=5)) as copy:
            try:
                return bool(copy.execute("SELECT 1 FROM suppression LIMIT 1").fetchone())
            except sqlite3.OperationalError:
                return False

    wait_for(there, 60)


def test_a_ledger_with_a_fault_moves_and_is_told_with_1(told: Installation) -> None:
    """What was altered is not repaired by a copy, and not hidden either."""
    unguarded(f"sqlite:///{told.store}")
    told.alter("UPDATE ledger SET actor = 'mallory' WHERE id = 2")
    done = told.run("store", "copy", "--to", beside(told), "--final", code=1)
    assert "the ledger is not what was written, altered: entry 2 at place 2" in done.out
    at(told, beside(told))
    assert told.run("ledger", "verify", code=1).out.startswith("altered: entry 2")


def test_a_backup_is_the_store_as_it_is(told: Installation) -> None:
    """For its owner only, with nothing beside it; the program works with it."""
    file = told.directory / "backup.db"
    there = names_in(told)
    assert told.run("store", "backup", file).out.startswith(f"{file}: good, ")
    assert file.stat().st_mode & 0o777 == 0o600
    assert names_in(told) == sorted([*there, "backup.db"])
    rows = told.rows()
    told.run("add", "late@x.example")
    told.store.write_bytes(file.read_bytes())
    assert told.rows() == rows
    assert told.run("ledger", "verify").out.startswith("good: 2 entries")
    data = told.run("store", "backup", told.directory / "again.db", "--json").json
    assert list(data) == documented("backup", "key of `store backup --json`")
    assert data["rows"]["suppression"] == 3


def test_a_backup_overwrites_nothing(told: Installation) -> None:
    """Nor does it go where it cannot."""
    file = told.file("kept", "precious")
    link = told.directory / "link"
    link.symlink_to(told.directory / "nowhere")
    for path, words in ((file, "is there already"), (link, "is there already"), (told.store, "is there already")):
        assert words in told.run("store", "backup", path, code=2).err
    assert "No such file" in told.run("store", "backup", told.directory / "no" / "where.db", code=2).err
    assert file.read_text() == "precious"


def test_a_backup_that_is_damaged_gets_no_name(told: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read through first; the draft goes."""

    def damaged(path: Path, file: Path) -> None:
        whole(path, file)
        octets = bytearray(file.read_bytes())
        octets[5000:9000] = bytes(4000)
        file.write_bytes(octets)

    whole = upkeep._vacuum
    monkeypatch.setattr(upkeep, "_vacuum", damaged)
    file = told.directory / "backup.db"
    there = names_in(told)
    done = told.run("store", "backup", file, code=3)
    assert "damaged" in done.err or "malformed" in done.err
    assert names_in(told) == there


def test_a_server_makes_its_own_backups(told: Installation) -> None:
    """It says with which words, and without the password."""
    url = POSTGRES.database("template0").replace("postgres@", "postgres:geheim@")
    at(told, url)
    told.run("init")
    done = told.run("store", "backup", told.directory / "backup.db", code=2)
    assert "pg_dump --format=custom --file=FILE 'postgresql://postgres@" in done.err
    assert not (told.directory / "backup.db").exists()


def test_a_backup_beside_a_writer_is_one_state(told: Installation) -> None:
    """Never a list and a ledger of different times."""
    with started("--config", told.config_file, "import", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"email\n" + b"".join(b"p%d@x.example\n" % number for number in range(20_000)))
        process.stdin.close()
        for number in range(2):
            file = told.directory / f"{number}.db"
            told.run("store", "backup", file)
            counts = rows_of(file)
            assert counts["suppression"] - 3 == counts["said"]
        process.stdin = None
        assert process.wait(60) == 0


def rows_of(file: Path) -> dict[str, int]:
    """How many people are on the list, and how many the ledger says that the second import brought."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as copy:
        [people] = copy.execute("SELECT count(*) FROM suppression").fetchone()
        [said] = copy.execute("SELECT coalesce(sum(count), 0) - 2 FROM ledger WHERE action = 'import'").fetchone()
    return {"suppression": people, "said": said}


def test_the_sections_of_the_page_are_there() -> None:
    """Each with a table of its JSON keys."""
    for command in SECTIONS:
        assert documented(command, f"key of `store {command} --json`")
