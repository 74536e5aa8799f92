"""The store that the tests of the pages start from."""

import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from consentmilter.web import languages, rendering
from tests.web.pages_site import make_site_store


@pytest.fixture(scope="session", autouse=True)
def _read_once() -> Iterator[None]:
    """What each application reads of the package, words and templates: that takes longer than most of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "load", cache(languages.load))
        patch.setattr(rendering, "_tongue", cache(rendering._tongue))
        yield


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
