"""Fixtures for tests on a real Postfix: a whole mail system in a temporary directory, stopped at the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from lab.directory import public_directory
from lab.opendkim import OpenDkim
from lab.postfix import cannot_run
from lab.system import System
from tests.acme import SITE

CONFIG: dict[str, Any] = {**SITE, "milter": {"workers": 1}}
"""One worker does for most of it, and starts sooner than two."""

TWO_WORKERS = {"milter": {"workers": 2}}

ERROR_LIMITS = {"smtpd_soft_error_limit": "1000", "smtpd_hard_error_limit": "2000", "smtpd_error_sleep_time": "0"}
"""Limits raised as deploy/postfix raises them: every refused recipient counts as an error of the client."""

NEWSLETTER = {"X-Consent-Stream": "acme.newsletter"}
SECURITY = {"X-Consent-Stream": "acme.security"}

Start = Callable[..., System]


@pytest.fixture(scope="session")
def systems() -> Iterator[Start]:
    """Mail systems that live as long as the session: one for each way to set Postfix up, used again and again."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    with ExitStack() as stack:
        running: dict[str, System] = {}

        def start_or_renew(*, config: dict[str, Any] | None = None, **options: Any) -> System:
            whole = {**CONFIG, **(config or {})}
            kind = repr(sorted(options.items()))
            if kind in running:
                running[kind].renew(whole)
            else:
                directory = stack.enter_context(public_directory())
                running[kind] = stack.enter_context(System(directory, config=whole, **options))
            return running[kind]

        yield start_or_renew


@pytest.fixture
def start(systems: Start) -> Start:
    """Get a mail system: `start(config={...}, services=[...])`; the configuration is laid over the site's."""
    return systems


@pytest.fixture
def start_own() -> Iterator[Start]:
    """Start a mail system for this test alone, which may break it."""
    if (why := cannot_run()) is not None:
        pytest.skip(why)
    with ExitStack() as stack:

        def start_one(*, config: dict[str, Any] | None = None, **options: Any) -> System:
            directory = stack.enter_context(public_directory())
            return stack.enter_context(System(directory, config={**CONFIG, **(config or {})}, **options))

        yield start_one


@pytest.fixture
def signer() -> Iterator[OpenDkim]:
    """An OpenDKIM that signs for acme.example."""
    with public_directory() as directory, OpenDkim(directory, domain="acme.example") as signer:
        yield signer


@pytest.fixture
def system(start: Start) -> System:
    """The site of the tests, as it is."""
    return start()


def stream(**settings: Any) -> dict[str, Any]:
    """A configuration in which the newsletter has these settings besides."""
    newsletter = {**CONFIG["streams"]["acme.newsletter"], **settings}
    return {"streams": {**CONFIG["streams"], "acme.newsletter": newsletter}}
