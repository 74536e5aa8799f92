"""Stores that the tests start from."""

from pathlib import Path

import pytest

from tests.service.emptied import emptied_store


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`."""
    return emptied_store(kind, tmp_path)


@pytest.fixture
def database(url: str) -> Path:
    """The file of the store at `url`."""
    return Path(url.removeprefix("sqlite:///"))
