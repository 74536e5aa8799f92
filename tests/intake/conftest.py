"""A site with its intake on a unix socket, for one test each."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import structlog

from consentmilter import log
from consentmilter.config import Config
from consentmilter.service import setup
from lab.sink import Sink
from tests.intake.site import Running, Site, copy_of

Start = Callable[..., Site]


@pytest.fixture(autouse=True)
def logged() -> Iterator[Callable[[], str]]:
    """What the intake has logged so far, in the form that it has in service."""
    octets = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", io.TextIOWrapper(octets, "utf-8", write_through=True))
        log.configure("json")
        yield lambda: octets.getvalue().decode()
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the keys and the store of a site just made."""
    directory = tmp_path_factory.mktemp("template")
    config = Config.model_validate(
        {"store": {"url": f"sqlite:///{directory / 'consent.db'}"}, "keys": {"file": str(directory / "keys.yaml")}}
    )
    setup.make_keys(config, lambda size: bytes(range(size)))
    setup.make_store(config, Site(directory).ring)
    return directory


@pytest.fixture
def start(template: Path, tmp_path: Path) -> Iterator[Start]:
    """Start the intake of a site: `start(intake={...})` lays this over its configuration."""
    with ExitStack() as stack:

        def start_one(**overlay: Any) -> Site:
            site = Site(copy_of(template, tmp_path / "site"), overlay)
            stack.enter_context(Running(site))
            return site

        yield start_one


@pytest.fixture
def sink() -> Iterator[Sink]:
    """Where the intake's own mail is handed in."""
    with Sink() as sink:
        yield sink


@pytest.fixture
def site(start: Start, sink: Sink) -> Site:
    """The site of these tests, with the sink as its mail server."""
    return start(intake={"submit": f"127.0.0.1:{sink.port}"})
