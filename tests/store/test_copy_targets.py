"""Which databases can become the copy of a store, and that a copy which is not equal is not taken for one."""

import shutil
from pathlib import Path

import pytest

from consentmilter.errors import StoreError, StoreSetupError, UsageError
from consentmilter.service.copying import Copying
from consentmilter.store.databases import database
from consentmilter.store.migrate import record_keys
from tests.ledger.making import fill
from tests.store.copy_making import add, alter, copying, held, listed, lived_in, moved, new_target, quiet, unmarked
from tests.store.support import KEYS, run


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store, a copy of it that is not finished, and another that is."""
    directory = tmp_path_factory.mktemp("lived")
    source = f"sqlite:///{lived_in(directory)}"
    copying(source, new_target("sqlite", directory, "copied.db")).run(quiet)
    shutil.copy(directory / "copied.db", directory / "finished.db")
    shutil.copy(directory / "consent.db", directory / "before.db")
    moved(f"sqlite:///{directory / 'before.db'}", f"sqlite:///{directory / 'finished.db'}")
    return directory


def its(lived: Path, name: str, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(lived / name, tmp_path / name)}"


@pytest.fixture
def source(lived: Path, tmp_path: Path) -> str:
    """A store with rows in every table."""
    return its(lived, "consent.db", tmp_path)


@pytest.fixture
def copied(lived: Path, tmp_path: Path) -> str:
    """A copy of it that is not finished."""
    return its(lived, "copied.db", tmp_path)


@pytest.fixture
def finished(lived: Path, tmp_path: Path) -> str:
    """A copy of it that is; the store itself was not told."""
    return its(lived, "finished.db", tmp_path)


@pytest.fixture
def target(tmp_path: Path) -> str:
    """A file with empty tables."""
    return new_target("sqlite", tmp_path)


def refused(source: str, target: str, words: str) -> None:
    """The target is refused, and left as it is."""
    before = held(target)
    with pytest.raises(StoreSetupError, match=words):
        moved(source, target)
    assert held(target) == before


def test_a_store_of_other_keys_is_no_target(source: str, target: str) -> None:
    """Nor is one that knows more keys."""
    record_keys(target, {"1": b"another"})
    refused(source, target, "made with another key '1'")


def test_a_key_that_the_store_does_not_know_makes_no_target(source: str, target: str) -> None:
    """It is another's."""
    record_keys(target, KEYS | {"2": b"of another"})
    refused(source, target, "made with another key '2'")


def test_a_store_is_not_copied_with_other_keys(source: str, target: str) -> None:
    """As nothing else is done with it."""
    with pytest.raises(StoreSetupError, match="was made with another key '1'"):
        Copying(database(source), database(target), {"1": b"another"}).check()


def test_a_list_without_a_ledger_is_no_target(source: str, target: str) -> None:
    """Nobody knows whose it is."""
    record_keys(target, KEYS)
    alter(target, "INSERT INTO soft_bounce VALUES (zeroblob(16), '*', 1, 1)")
    refused(source, target, r"holds other data \(in soft_bounce\)")


def test_names_of_streams_alone_are_no_obstacle(source: str, target: str) -> None:
    """A service that was started once has noted them."""
    record_keys(target, KEYS)
    alter(target, "INSERT INTO stream_name VALUES (zeroblob(4), 'acme.other', 1)")
    copying(source, target)


def test_a_ledger_that_is_another_ones_is_no_target(source: str, target: str) -> None:
    """Of the same keys though it is."""
    record_keys(target, KEYS)
    run(fill(target, 1))
    refused(source, target, "its ledger of 1 entries is not the beginning")


def test_a_copy_that_was_worked_with_is_no_target(source: str, finished: str) -> None:
    """What happened there is not overwritten; until then it can be copied to again."""
    copying(source, shutil_copy(finished))
    run(fill(finished, 1))
    refused(source, finished, "its ledger of 36 entries is not the beginning")


def shutil_copy(url: str) -> str:
    return f"{url[:10]}{shutil.copy(url[10:], f'{url[10:]}.again')}"


def test_entries_in_no_place_of_the_chain_make_no_target(source: str, finished: str) -> None:
    """They are not the store's."""
    alter(finished, "INSERT INTO ledger (at, actor, source, action, count) VALUES (1, 'a', 'b', 'prune', 1)")
    refused(source, finished, "is not the beginning")


def test_a_younger_store_is_neither_copied_nor_a_target(source: str, target: str) -> None:
    """Nor an older one, which is left at its version."""
    alter(target, "UPDATE schema_version SET version_num = '9999'")
    with pytest.raises(StoreSetupError, match="has version 9999 of the core schema"):
        copying(source, target)
    with pytest.raises(StoreSetupError, match="has version 9999 of the core schema"):
        copying(target, source)


def test_the_store_itself_is_no_target_under_whatever_name(source: str, tmp_path: Path) -> None:
    """And works on."""
    (tmp_path / "other").symlink_to(tmp_path)
    before = held(source)
    with pytest.raises(UsageError, match="is the store itself"):
        copying(source, f"sqlite:///{tmp_path}/other/consent.db")
    assert held(source) == before
    run(add(source, 1))


ANOTHER = """
    INSERT INTO suppression SELECT zeroblob(16), scope, 'legal', origin, batch, asserted_again, created, expires,
    address, repeated FROM suppression LIMIT 1
"""


@pytest.mark.parametrize(
    ("harm", "took"),
    [
        ("DELETE FROM suppression", (True, False, False)),
        ("UPDATE suppression SET created = created + 1", (False, True, False)),
        (ANOTHER, (False, False, True)),
    ],
)
def test_a_damaged_list_in_the_target_is_mended(
    source: str, copied: str, harm: str, took: tuple[bool, bool, bool]
) -> None:
    """Whatever happened to it: pages are compared, not trusted."""
    copy = copying(source, copied)
    alter(copied, harm)
    copy.finish(quiet)
    [tally] = [tally for tally in copy.tallies if tally.table == "suppression"]
    assert (tally.added > 0, tally.changed > 0, tally.removed > 0) == took
    assert held(copied) == unmarked(held(source))


@pytest.mark.parametrize("table", ["ledger", "seal", "ledger_evidence"])
def test_a_damaged_ledger_in_the_target_is_refused(source: str, copied: str, table: str) -> None:
    """It only grows, so that it is another's, or somebody had his hands in it."""
    copy = copying(source, copied)
    alter(copied, f"DROP TRIGGER {table}_no_update")
    column = {"ledger": "actor", "seal": "digest", "ledger_evidence": "salt"}[table]
    alter(copied, f"UPDATE {table} SET {column} = x'00' WHERE rowid = (SELECT max(rowid) FROM {table})")
    with pytest.raises(StoreSetupError, match=f"holds other data: {table} "):
        copy.finish(quiet)
    with pytest.raises(StoreSetupError, match="not finished"):
        run(listed(copied))
    run(add(source, 1))


def test_a_database_that_does_not_keep_what_was_written_is_found(source: str, target: str) -> None:
    """Each page is read back before it is committed."""
    copy = copying(source, target)
    alter(
        target,
        "CREATE TRIGGER fault AFTER INSERT ON consent BEGIN "
        "UPDATE consent SET state = 'granted' WHERE subject = NEW.subject; END",
    )
    alter(source, "UPDATE consent SET state = 'withdrawn'")
    with pytest.raises(StoreError, match="the target does not hold what was written to consent"):
        copy.run(quiet)
    assert held(target)["consent"] == []
