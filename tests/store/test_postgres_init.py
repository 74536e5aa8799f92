"""What `init` makes of a database on a server: tables and nothing else, as often as one likes."""

import secrets
from pathlib import Path

import pytest

from consentmilter.config import Config, parse
from consentmilter.errors import KeyFileError, StoreSetupError
from consentmilter.service import setup
from consentmilter.service.keyfile import make_keys, read_keys
from consentmilter.service.places import journal_url
from consentmilter.service.setup import State
from consentmilter.store.journal import Journal, read_journal
from consentmilter.store.writer import Store
from tests.store.stores import POSTGRES
from tests.store.support import put, run, subjects
from tests.store.test_journal import ROW


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A site on an empty database, without a key file so far."""
    url = POSTGRES.database("template0")
    return parse(f'store: {{url: "{url}"}}\nkeys: {{file: "{tmp_path}/node1/keys.yaml"}}', "test")


def init(config: Config) -> list[State]:
    """Run `init`; what became of keys, store and journal."""
    keys = setup.make_keys(config, secrets.token_bytes)
    store = setup.make_store(config, read_keys(config.keys.file))
    return [keys, store, setup.make_journal(config)]


def test_everything_is_made_once_and_works(config: Config, tmp_path: Path) -> None:
    """List and journal in one database, and no file but that of the keys."""
    assert init(config) == [State.MADE] * 3
    assert init(config) == [State.KEPT] * 3
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["keys.yaml"]
    assert journal_url(config) == config.store.url

    async def scene() -> int:
        async with Store.open(config.store.url, read_keys(config.keys.file).checks()) as store:
            await store.write(put(1))
            return len(await store.read(subjects))

    assert run(scene()) == 1
    journal = Journal(journal_url(config), on_trouble=print)
    journal.put(ROW)
    journal.close()
    assert read_journal(journal_url(config)) == [ROW]


def test_a_second_node_with_a_key_file_of_its_own_is_refused(config: Config, tmp_path: Path) -> None:
    """By `init`, and by whatever opens the store; with the first node's file it is let in."""
    init(config)
    other = config.model_copy(
        update={"keys": config.keys.model_copy(update={"file": tmp_path / "node2" / "keys.yaml"})}
    )
    with pytest.raises(KeyFileError, match="the store was made with one: put that one back"):
        init(other)
    other.keys.file.parent.mkdir()
    make_keys(other.keys.file, secrets.token_bytes)
    with pytest.raises(StoreSetupError, match="was made with another key"):
        init(other)

    async def opened(keys: Path) -> None:
        async with Store.open(config.store.url, read_keys(keys).checks()):
            pass

    with pytest.raises(StoreSetupError, match="was made with another key"):
        run(opened(other.keys.file))
    other.keys.file.write_bytes(config.keys.file.read_bytes())
    run(opened(other.keys.file))
    assert init(other) == [State.KEPT] * 3


def test_a_journal_in_a_file_beside_a_list_on_a_server(config: Config, tmp_path: Path) -> None:
    """Where a node's verdicts are to stay on it."""
    store = config.store.model_copy(update={"journal": f"sqlite:///{tmp_path}/journal/journal.db"})
    own = config.model_copy(update={"store": store})
    assert init(own) == [State.MADE] * 3
    assert read_journal(journal_url(own)) == []
    with pytest.raises(StoreSetupError, match=r"has no (journal )?schema"):
        read_journal(config.store.url)
