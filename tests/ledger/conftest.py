"""Stores that the tests start from."""

from pathlib import Path

import pytest

from tests.service.emptied import emptied_store
from tests.service.people import databases
from tests.store.conftest import database
from tests.store.stores import KINDS

__all__ = ["database"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each test runs on each kind of store, unless it says on which."""
    return str(request.param)


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty store that knows `KEYS`."""
    return emptied_store(kind, tmp_path)


@pytest.fixture
def journal_url(url: str) -> str:
    """The URL of its journal."""
    return databases(url).journal
