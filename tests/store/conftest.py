"""Stores that the tests start from."""

from pathlib import Path

import pytest

from consentmilter.store.migrate import migrate
from consentmilter.store.schema import JOURNAL
from tests.store.support import make_store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`."""
    return make_store(tmp_path)


@pytest.fixture
def database(url: str) -> Path:
    """The file of the store at `url`."""
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def journal_url(tmp_path: Path) -> str:
    """The URL of an empty journal."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    migrate(url, JOURNAL)
    return url
