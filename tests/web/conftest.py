"""The store that the tests of the pages start from."""

import shutil
from pathlib import Path

import pytest

from tests.web.pages_site import make_site_store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an empty store that knows the keys of the site, to be copied."""
    directory = tmp_path_factory.mktemp("empty-store")
    make_site_store(directory)
    return directory


@pytest.fixture
def url(empty_store: Path, tmp_path: Path) -> str:
    """The URL of a store of the test's own."""
    shutil.copytree(empty_store, tmp_path, dirs_exist_ok=True)
    return f"sqlite:///{tmp_path / 'consent.db'}"
