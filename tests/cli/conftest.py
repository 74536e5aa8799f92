"""Sites to run commands on."""

from pathlib import Path

import pytest

from tests.cli.installation import Installation


@pytest.fixture(autouse=True)
def _alice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are run by alice, through sudo, whoever runs the tests."""
    monkeypatch.setenv("SUDO_USER", "alice")


@pytest.fixture
def bare(tmp_path: Path) -> Installation:
    """A site that has its configuration and nothing else."""
    return Installation(tmp_path)


@pytest.fixture
def site(bare: Installation) -> Installation:
    """A site that is set up, with an empty list."""
    bare.run("init")
    return bare
