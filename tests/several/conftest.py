"""What the tests of several nodes stand on: a PostgreSQL for each file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.directory import public_directory
from lab.postgres import PostgreSql


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSql]:
    with public_directory() as directory, PostgreSql(directory) as server:
        yield server


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory that servers may enter."""
    with public_directory() as directory:
        yield directory
