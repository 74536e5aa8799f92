"""`consentmilter ledger`: verify, checkpoint, key, show, rebuild."""

import json
import shutil
import subprocess

import pytest

from consentmilter.checkpoints import Checkpoint
from tests.cli.installation import Installation
from tests.ledger.alterations import unguarded

MINISIGN = shutil.which("minisign")


LIST = "email\nb@x.example\nc@x.example\n"


@pytest.fixture(scope="module")
def made(set_up: Installation, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """A site whose ledger has three entries, to begin with."""
    site = Installation(tmp_path_factory.mktemp("made")).begin_as(set_up)
    site.run("add", "a@x.example", "--evidence", "called")
    site.run("import", site.file("list.csv", LIST))
    site.run("remove", "a@x.example", "--evidence", "wrote")
    return site


@pytest.fixture
def told(bare: Installation, made: Installation) -> Installation:
    """A site whose ledger has three entries."""
    bare.file("list.csv", LIST)
    return bare.begin_as(made)


def test_a_good_ledger_ends_with_0(told: Installation) -> None:
    """It says how many entries there are, and what the last digest is."""
    done = told.run("ledger", "verify")
    assert done.out.startswith("good: 3 entries; the last digest is ")
    assert (done.err, told.run("ledger", "verify", "--json").json) == (
        "",
        {"good": True, "entries": 3, "digest": done.out.split()[-1], "erased": 0, "fault": None},
    )


def test_an_empty_ledger_is_good(site: Installation) -> None:
    """Nothing has happened yet."""
    assert site.run("ledger", "verify").out.startswith("good: 0 entries")


def test_the_first_fault_is_named_with_1(told: Installation) -> None:
    """As text and as data."""
    unguarded(f"sqlite:///{told.store}")
    told.alter("UPDATE ledger SET actor = 'mallory' WHERE id = 2")
    assert told.run("ledger", "verify", code=1).out.startswith("altered: entry 2 at place 2 was altered or moved")
    fault = told.run("ledger", "verify", "--json", code=1).json["fault"]
    assert (fault["kind"], fault["position"], fault["entry"]) == ("altered", 2, 2)


def test_erased_fields_are_no_fault(told: Installation) -> None:
    """They are counted."""
    told.run("subject", "erase", "a@x.example", "--evidence", "asked")
    assert "of 2 the personal fields were erased" in told.run("ledger", "verify").out


def test_a_store_that_is_away_is_3(told: Installation) -> None:
    """That is no answer about the ledger."""
    told.store.rename(told.store.with_name("away.db"))
    assert told.run("ledger", "verify", code=3).err.startswith("error: there is no database")


def test_a_checkpoint_is_printed_and_noted_in_the_ledger(told: Installation) -> None:
    """It can be kept on paper, and used again."""
    done = told.run("ledger", "checkpoint")
    kept = Checkpoint.parse(done.out)
    assert kept.position == 3
    assert told.run("ledger", "show", "--json").json[-1]["digest"] == kept.digest.hex()
    paper = told.file("paper.txt", done.out)
    told.run("ledger", "verify", "--checkpoint", paper)
    told.run("add", "d@x.example")
    told.run("ledger", "verify", "--checkpoint", paper)


def test_a_ledger_that_was_written_anew_does_not_fit_the_checkpoint(told: Installation) -> None:
    """Though each entry fits the next; so it is with one that was put back."""
    paper = told.file("paper.txt", told.run("ledger", "checkpoint").out)
    unguarded(f"sqlite:///{told.store}")
    told.alter("UPDATE ledger SET actor = 'mallory' WHERE id = 1")
    told.alter("DELETE FROM seal")
    told.run("add", "d@x.example")
    told.run("ledger", "verify")
    done = told.run("ledger", "verify", "--checkpoint", paper, code=1)
    assert done.out.startswith("checkpoint: the first 3 entries are others than at the checkpoint")


def test_a_signed_checkpoint_is_held_to_its_key(told: Installation) -> None:
    """Text, signature and key: each that does not fit is told, with 1."""
    key, other, paper = told.directory / "key", told.directory / "other", told.directory / "paper.txt"
    told.run("ledger", "key", key)
    told.run("ledger", "key", other)
    done = told.run("ledger", "checkpoint", "--key", key, "-o", paper, "--json")
    assert done.json["signature"] == f"{paper}.minisig"
    check = ["ledger", "verify", "--checkpoint", paper, "--public-key"]
    assert "well signed (consentmilter checkpoint 3 " in told.run(*check, f"{key}.pub").err
    assert told.run(*check, f"{other}.pub", code=1).out.startswith("signature: ")
    assert told.run(*check, f"{other}.pub", "--json", code=1).json["fault"]["kind"] == "signature"
    assert "is not checked without --public-key" in told.run(*check[:-1]).err
    paper.write_text(paper.read_text().replace("position 3", "position 2"))
    assert "altered" in told.run(*check, f"{key}.pub", code=1).out
    if MINISIGN is not None:
        told.run("ledger", "checkpoint", "--key", key, "-o", paper)
        subprocess.run([MINISIGN, "-Vm", paper, "-p", f"{key}.pub"], check=True, timeout=20, capture_output=True)


def test_a_key_is_never_overwritten(told: Installation) -> None:
    """Old checkpoints could not be checked any more."""
    key = told.directory / "key"
    told.run("ledger", "key", key)
    before = key.read_text()
    assert "is there already" in told.run("ledger", "key", key, code=2).err
    assert key.read_text() == before
    assert key.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["verify", "--public-key", "x"], "--public-key is for --checkpoint"),
        (["verify", "--checkpoint", "{d}/none"], "none: No such file"),
        (["verify", "--checkpoint", "{d}/keys.yaml"], "this is no checkpoint"),
        (["verify", "--checkpoint", "{d}/paper.txt", "--public-key", "{d}/keys.yaml"], "this is no public key"),
        (["verify", "--checkpoint", "{d}/paper.txt", "--public-key", "{d}/key.pub"], "paper.txt.minisig: No such file"),
        (["checkpoint", "--key", "{d}/key"], "--key needs --output FILE"),
        (["checkpoint", "--key", "{d}/keys.yaml", "-o", "{d}/out"], "this is no secret key"),
        (["checkpoint", "-o", "{d}/no/where"], "the directory is missing"),
        (["show", "--since", "then"], "--since"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(told: Installation, words: list[str], said: str) -> None:
    """And nothing is noted in the ledger."""
    told.file("paper.txt", told.run("ledger", "checkpoint").out)
    told.run("ledger", "key", told.directory / "key")
    done = told.run("ledger", *(word.format(d=told.directory) for word in words), code=2)
    assert said in done.err
    assert done.out == ""
    assert len(told.run("ledger", "show").lines) == 4


def test_the_ledger_is_shown_in_its_order(told: Installation) -> None:
    """Who did what to whom, and on what evidence."""
    lines = told.run("ledger", "show").lines
    assert [line.split("  ")[0] for line in lines] == ["1", "2", "3"]
    assert lines[0].endswith("UTC  add manual in * for a@x.example by cli:alice: called")
    assert "import imported in * of 2 rows by cli:alice import " in lines[1]
    data = told.run("ledger", "show", "--json").json
    assert [each["action"] for each in data] == ["add", "import", "lift"]
    assert data[0]["evidence"]["address"] == "a@x.example"
    assert told.run("ledger", "show", "--since", "1h").lines == lines
    assert told.run("ledger", "show", "--since", "2999-01-01", "--json").json == []


def test_a_long_ledger_is_shown_in_parts(site: Installation) -> None:
    """And is one list all the same."""
    site.run("add", *(f"p{number}@x.example" for number in range(1200)))
    assert len(json.loads(site.run("ledger", "show", "--json").out)) == 1200


def test_what_an_erased_entry_said_is_not_shown(told: Installation) -> None:
    """But that there was something."""
    told.run("subject", "erase", "a@x.example", "--evidence", "asked")
    first = told.run("ledger", "show", "--json").json[0]
    assert (first["evidence"], first["erased"]) == ({}, True)
    assert told.run("ledger", "show").lines[0].endswith("by cli:alice (erased)")


def test_the_list_is_the_one_that_the_ledger_leads_to(told: Installation) -> None:
    """With the rows of an import held to the digest of what was read."""
    done = told.run("ledger", "rebuild", "--check")
    assert done.lines[-1] == "the list is the one that the ledger leads to"
    assert done.lines[0].endswith("list.csv, 2 rows: its rows are those that were read")
    data = told.run("ledger", "rebuild", "--check", "--json").json
    assert (data["differences"], data["imports"][0]["outcome"]) == ([], "same")
    rebuilt = told.run("ledger", "rebuild", "--json").json
    assert sorted(each["subject"] for each in rebuilt) == sorted(row[0].lower() for row in told.rows())
    assert len(told.run("ledger", "rebuild").lines) == len(rebuilt) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DELETE FROM suppression WHERE batch IS NULL", "does not stand, and the ledger does not say why"),
        ("UPDATE suppression SET scope = 'acme' WHERE batch IS NULL", "stands, and the ledger does not say why"),
        ("UPDATE suppression SET created = 5 WHERE batch IS NOT NULL", "its rows are NOT those that were read"),
    ],
)
def test_a_list_that_was_changed_behind_the_ledger_ends_with_1(told: Installation, change: str, said: str) -> None:
    """Which row, and how."""
    told.run("add", "a@x.example")
    told.alter(change)
    assert said in told.run("ledger", "rebuild", "--check", code=1).out


def test_the_bar_and_the_data_do_not_mix(told: Installation) -> None:
    """Off a terminal nothing is said while it runs."""
    done = told.program("ledger", "verify")
    assert (len(done.lines), done.err) == (1, "")
