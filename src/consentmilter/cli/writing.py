"""The store for changes and longer reads, and who makes a change; apart, since it takes twice as long to load."""

import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consentmilter.cli.site import Command
from consentmilter.service.suppressions import Actor
from consentmilter.store.writer import Store


@asynccontextmanager
async def store(command: Command) -> AsyncIterator[Store]:
    async with Store.open(command.config.store.url, command.ring.checks()) as opened:
        yield opened


def actor() -> Actor:
    """Who runs the command, through sudo if so. LOGNAME is no evidence: anybody sets it as they like."""
    return Actor(os.environ.get("SUDO_USER") or _user(), "cli")


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # as in a container that runs under a number without a name
        return f"uid {os.getuid()}"
