"""What the tests of the laboratory share: a directory that servers can enter, and the fixture milter."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.directory import public_directory
from lab.ports import serves
from lab.process import Process


@pytest.fixture
def directory() -> Iterator[Path]:
    with public_directory() as path:
        yield path


@pytest.fixture
def milter(directory: Path) -> Iterator[Path]:
    """The socket of a running fixture milter."""
    path = directory / "fixture.sock"
    with Process([sys.executable, Path(__file__).with_name("fixture_milter.py"), path]) as process:
        try:
            process.wait_until(lambda: serves(path), "its socket")
            path.chmod(0o666)
            yield path
        finally:
            process.kill()  # libmilter takes up to five seconds to heed a SIGTERM
