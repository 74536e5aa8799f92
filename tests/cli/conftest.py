"""Sites to run commands on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.installation import Installation


@pytest.fixture(scope="session", autouse=True)
def _alice() -> Iterator[None]:
    """Commands are run by alice, through sudo, whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUDO_USER", "alice")
        yield


@pytest.fixture
def bare(tmp_path: Path) -> Installation:
    """A site that has its configuration and nothing else."""
    return Installation(tmp_path)


@pytest.fixture(scope="session")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """What `consentmilter init` makes, once for all."""
    made = Installation(tmp_path_factory.mktemp("set-up"))
    made.run("init")
    return made


@pytest.fixture
def site(bare: Installation, set_up: Installation) -> Installation:
    """A site that is set up, with an empty list."""
    return bare.begin_as(set_up)
