"""Database files and the URLs that name them."""

import os
import stat
from pathlib import Path

import pytest

from consentmilter.errors import StoreError, StoreSetupError
from consentmilter.store.migrate import migrate
from consentmilter.store.sqlite.files import database_path
from consentmilter.store.writer import Store
from tests.store.support import put, run, shell


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:////var/lib/consentmilter/consent.db", "/var/lib/consentmilter/consent.db"),
        ("sqlite:///relative.db", "relative.db"),
        ("sqlite:////with space/100%/Grüße?.db".replace("?", ""), "/with space/100%/Grüße.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    """Four slashes for an absolute path, as SQLAlchemy has it."""
    assert database_path(url) == Path(path)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:secret@db/consent", "'postgresql' stores are not supported; use sqlite:////"),
        ("sqlite+aiosqlite:////x.db", r"'sqlite\+aiosqlite' stores are not supported"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////x.db?mode=ro", "names no file"),
        ("sqlite://x.db", "names no file"),
        ("/var/lib/x.db", "is no URL"),
        ("", "is no URL"),
        ("postgresql://user:secret@host:port/list", "is no URL"),
    ],
)
def test_a_url_that_names_no_sqlite_file_is_refused(url: str, told: str) -> None:
    """With what to write instead, and without the password."""
    with pytest.raises(StoreSetupError, match=told) as caught:
        database_path(url)
    assert "secret" not in str(caught.value)


def test_every_file_is_for_owner_and_group_whatever_the_umask(tmp_path: Path) -> None:
    """Readers of a WAL write to its shared memory: the group of the directory needs to."""
    url = f"sqlite:///{tmp_path / 'consent.db'}"
    before = os.umask(0o077)
    try:
        migrate(url)
        with shell(tmp_path / "consent.db") as connection:
            connection.execute("INSERT INTO key_check VALUES ('1', x'00')")
            modes = {file.name: stat.filemode(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    names = {"consent.db", "consent.db-wal", "consent.db-shm", "consent.db-lock", "consent.db-turn"}
    assert modes == dict.fromkeys(names, "-rw-rw----")


def test_a_path_with_odd_characters_works_throughout(tmp_path: Path) -> None:
    """Neither SQLite's URIs nor Alembic's % signs get in the way."""
    directory = tmp_path / "100% #1 Grüße"
    directory.mkdir()
    url = f"sqlite:///{directory / 'consent.db'}"
    migrate(url)

    async def write() -> None:
        async with Store.open(url, {}) as store:
            await store.write(put(1))

    run(write())


def test_a_database_cannot_be_made_where_there_is_no_directory(tmp_path: Path) -> None:
    """The message names the file and the cause."""
    with pytest.raises(StoreError, match=r"cannot make the database .*/nowhere/consent.db: No such file"):
        migrate(f"sqlite:///{tmp_path}/nowhere/consent.db")
