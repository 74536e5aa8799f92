"""Bring the databases to the schema of this program, and nothing else. Raises StoreError and its kinds."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from consentmilter.config import Config
from consentmilter.keys import KeyRing
from consentmilter.service.places import journal_url
from consentmilter.service.sealing import seal_all
from consentmilter.store import migrate as trees
from consentmilter.store.check import verify_version
from consentmilter.store.databases import database
from consentmilter.store.schema import CORE, JOURNAL, Tree
from consentmilter.store.writer import Store


@dataclass(frozen=True, slots=True)
class Migrated:
    """One tree: its place, the version that it had (None: no tables at all), and the one of this program."""

    tree: str
    place: str
    found: str | None
    version: str


def preview(config: Config) -> list[Migrated]:
    """What `migrate` would do."""
    return [_previewed(url, tree) for url, tree in _trees(config)]


def migrate(config: Config, ring: Callable[[], KeyRing]) -> list[Migrated]:
    """Migrate both trees in databases that are there; the keys are asked for only where a ledger is to be sealed."""
    done = [_migrated(url, tree) for url, tree in _trees(config)]
    if done[0].found not in (None, CORE.version):
        asyncio.run(_seal(config.store.url, ring()))
    return done


async def _seal(url: str, ring: KeyRing) -> None:
    """Seal the entries of a ledger that is older than its chain."""
    async with Store.open(url, ring.checks()) as store:
        await seal_all(store)


def _migrated(url: str, tree: Tree) -> Migrated:
    return Migrated(tree.name, url, trees.migrate(url, tree, create=False), tree.version)


def _previewed(url: str, tree: Tree) -> Migrated:
    found = trees.schema_version(url, tree)
    if found is not None and found > tree.version:
        verify_version(found, tree, database(url).name)
    return Migrated(tree.name, url, found, tree.version)


def _trees(config: Config) -> Iterator[tuple[str, Tree]]:
    yield config.store.url, CORE
    yield journal_url(config), JOURNAL
