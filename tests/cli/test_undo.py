"""`consentmilter undo`: an import taken back, and the list of imports."""

import pytest

from tests.cli.installation import Installation

KEYS = [
    "batch", "file", "actor", "started", "finished", "undone",
    "rows", "new", "known", "skipped", "bad", "lifted", "kept",
]  # fmt: skip


def imported(site: Installation, text: str = "a@x.example\nb@x.example\n", name: str = "list.txt") -> str:
    """The id of an import."""
    batch: str = site.run("import", site.file(name, text), "--json").json[0]["batch"]
    return batch


def test_undo_lifts_what_the_import_made_and_nobody_asserted_since(site: Installation) -> None:
    """And says how many those were, and how many stay."""
    batch = imported(site)
    site.run("add", "a@x.example", "--reason", "imported", "--evidence", "called")
    done = site.run("undo", batch)
    assert done.out == f"{batch} ({site.directory}/list.txt): 1 lifted, 1 kept because they were asserted again\n"
    site.run("check", "a@x.example", code=1)
    site.run("check", "b@x.example")


def test_a_dry_run_says_the_same_and_changes_nothing(site: Installation) -> None:
    """Neither list nor ledger, nor the mark on the import."""
    batch = imported(site)
    before = site.rows("SELECT * FROM ledger"), site.rows()
    done = site.run("undo", batch, "--dry-run")
    assert done.out.endswith(": 2 lifted, 0 kept because they were asserted again (dry run, nothing changed)\n")
    assert (site.rows("SELECT * FROM ledger"), site.rows()) == before
    assert site.rows("SELECT undone FROM import_batch") == [(None,)]


def test_explain_tells_of_an_undo(site: Installation) -> None:
    """Who was lifted finds the import, when it was undone, and by whom."""
    batch = imported(site)
    site.run("undo", batch)
    lines = site.run("explain", "a@x.example").lines
    assert "no suppressions" in lines
    [told] = [line for line in lines if line.startswith(f"  {batch}: ")]
    assert ", undone " in told
    assert lines[-1].endswith(f"lift a@x.example: imported in * by cli:alice: undo of import {batch}")


def test_the_same_file_can_be_imported_after_an_undo(site: Installation) -> None:
    """As another import; the one that was undone stays undone."""
    batch = imported(site)
    site.run("undo", batch)
    again = imported(site)
    assert again != batch
    site.run("check", "a@x.example", code=1)
    done = site.run("undo", batch)
    assert ": 0 lifted, 0 kept because they were asserted again, undone before on " in done.out
    site.run("check", "a@x.example", code=1)


def test_an_import_that_there_is_not_is_refused_with_those_that_there_are(site: Installation) -> None:
    """So that nobody has to guess."""
    done = site.run("undo", "0123456789abcdef", code=2)
    assert done.err == "error: there is no import '0123456789abcdef'; nothing was imported so far\n"
    batch = imported(site)
    done = site.run("undo", "0123456789abcdef", code=2)
    assert done.err.endswith(f"; the latest are {batch} of {site.directory}/list.txt\n")


def test_without_an_id_the_imports_are_listed(site: Installation) -> None:
    """With their counts and whether they were undone; an empty list is said, not printed."""
    assert (site.run("undo").out, site.run("undo").err) == ("", "nothing was imported so far\n")
    batch = imported(site, "a@x.example\na@x.example\nb@x.example\n")
    site.alter("UPDATE import_batch SET started = 0")
    [line] = site.run("undo").lines
    counts = "2 new, 1 known, 0 skipped, 0 bad of 3 rows"
    assert line == f"{batch}: {site.directory}/list.txt by alice on 1970-01-01 00:00 UTC: {counts}"
    site.alter("UPDATE import_batch SET finished = NULL, undone = 60")
    assert site.run("undo").out.endswith(": not finished, undone 1970-01-01 00:01 UTC\n")


def test_undo_prints_json(site: Installation) -> None:
    """The same keys for the list and for one import; what is not known is null."""
    assert site.run("undo", "--json").json == []
    batch = imported(site)
    [listed] = site.run("undo", "--json").json
    assert list(listed) == KEYS
    assert (listed["batch"], listed["new"], listed["lifted"], listed["undone"]) == (batch, 2, None, None)
    [undone] = site.run("undo", batch, "--json").json
    assert list(undone) == KEYS
    assert (undone["batch"], undone["lifted"], undone["kept"], undone["undone"]) == (batch, 2, 0, None)


def test_a_file_name_can_play_no_tricks(site: Installation) -> None:
    """Nor in the error that lists the imports."""
    imported(site)
    site.alter("UPDATE import_batch SET file = 'x' || char(27) || '[2J'")
    assert "x\\x1b[2J" in site.run("undo").out
    assert "\x1b" not in site.run("undo", "nothing", code=2).err


def test_ctrl_c_says_how_to_go_on(site: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 130, as every command."""
    batch = imported(site)

    async def interrupted(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("consentmilter.cli.undo.take_back", interrupted)
    done = site.run("undo", batch, code=130)
    assert done.err == "interrupted: what was lifted stays lifted, and the same command again goes on\n"
