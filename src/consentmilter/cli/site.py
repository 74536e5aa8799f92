"""What commands share: the configuration of the run, the keys, and the store, opened when first needed."""

import getpass
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from consentmilter.config import Config, load
from consentmilter.config.compile import compile_site
from consentmilter.errors import UsageError
from consentmilter.keys import KeyRing
from consentmilter.policy.site import Site
from consentmilter.service.keyfile import read_keys
from consentmilter.service.suppressions import Actor
from consentmilter.store.reader import Reader
from consentmilter.store.writer import Store

DEFAULT_CONFIG = Path("/etc/consentmilter/consentmilter.yaml")


@dataclass
class Command:
    """One run of a command: where its configuration is, and everything that follows from it."""

    config_file: Path

    @cached_property
    def config(self) -> Config:
        return load(self.config_file)

    @cached_property
    def site(self) -> Site:
        return compile_site(self.config)

    @cached_property
    def ring(self) -> KeyRing:
        return read_keys(self.config.keys.file)

    @property
    def actor(self) -> Actor:
        """Who runs the command, through sudo if so."""
        return Actor(os.environ.get("SUDO_USER") or getpass.getuser(), "cli")

    def reader(self) -> Reader:
        """The store as the milter sees it."""
        return Reader(self.config.store.url, self.ring.checks(), self.config.milter.deadline)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        """The store for changes and longer reads."""
        async with Store.open(self.config.store.url, self.ring.checks()) as store:
            yield store

    def scope(self, name: str) -> str:
        """The scope of that name; one that no stream is in would suppress nothing, so it is refused."""
        known = self.site.scopes()
        if name not in known:
            raise UsageError(f"unknown scope {name!r} (use {', '.join(sorted(known))})")
        return name


def now() -> datetime:
    return datetime.now(UTC)


def random(count: int) -> bytes:
    return secrets.token_bytes(count)
