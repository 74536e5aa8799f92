"""Services that end with the test."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.supervisor.service import Service


class MakeService(Protocol):
    def __call__(self, **milter: Any) -> Service: ...


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[MakeService]:
    """Makes services, each in a directory of its own; whatever they started is gone after the test."""
    with ExitStack() as stack:

        def make(**milter: Any) -> Service:
            directory = tmp_path / f"service-{len(list(tmp_path.iterdir()))}"
            directory.mkdir()
            return stack.enter_context(Service(directory, **milter))

        yield make


@pytest.fixture
def service(make_service: MakeService) -> Service:
    """A service with two workers on a unix socket, ready."""
    return make_service().start().ready()
