"""Move a site to another database: make it if need be, copy store and journal, and change over.

Raises UsageError for what cannot be meant, and StoreError and its kinds, as `consentmilter.service.copying` says.
"""

from dataclasses import dataclass
from functools import cached_property

from consentmilter.config import Config
from consentmilter.errors import UsageError
from consentmilter.keys import KeyRing
from consentmilter.service import setup
from consentmilter.service.copy_pages import Progress, Tally
from consentmilter.service.copying import Copying, CopyingJournal
from consentmilter.service.places import journal_url
from consentmilter.store.check import verify_version
from consentmilter.store.databases import database
from consentmilter.store.migrate import schema_version
from consentmilter.store.schema import CORE, JOURNAL, Tree


@dataclass(frozen=True)
class Move:
    """A move of the site that `config` describes to the database at `to`."""

    config: Config
    ring: KeyRing
    to: str
    journal: bool

    def preview(self, progress: Progress) -> list[Tally]:
        """What a copy would do."""
        self._store.check()
        empty = self._is_empty(CORE)
        if not empty:
            self._store.accept()
        self._store.preview(progress, empty=empty)
        if self.journal:
            empty = self._is_empty(JOURNAL)
            if not empty:
                self._verdicts.accept()
            self._verdicts.preview(progress, empty=empty)
        return self._tallies()

    def copy(self, progress: Progress, nonce: bytes) -> list[Tally]:
        """Bring over what differs, while others write; `nonce` is 16 random octets."""
        self._store.check()
        if self._is_empty(CORE):
            setup.make_store(self._config_there, self.ring)
        self._store.accept()
        if self.journal:
            if self._is_empty(JOURNAL):
                setup.make_journal(self._config_there)
            self._verdicts.accept()
        self._store.begin(nonce)
        self._store.run(progress)
        if self.journal:
            self._verdicts.run(progress)
        return self._tallies()

    def finish(self, progress: Progress) -> list[Tally]:
        """Keep all writers away, bring over the last changes, and change over."""
        self._store.finish(progress)
        return self._tallies()

    @cached_property
    def _store(self) -> Copying:
        here, there = database(self.config.store.url), database(self.to)
        if here.name == there.name:
            raise UsageError(f"--to: {there.name} is the store itself: name another database to copy it to")
        return Copying(here, there, self.ring.checks())

    @cached_property
    def _verdicts(self) -> CopyingJournal:
        if self.config.store.journal is not None:
            raise UsageError("--journal: the journal has a place of its own, store.journal, and stays there")
        return CopyingJournal(database(journal_url(self.config)), database(journal_url(self._config_there)))

    @cached_property
    def _config_there(self) -> Config:
        """The configuration as it will be."""
        return self.config.model_copy(update={"store": self.config.store.model_copy(update={"url": self.to})})

    def _is_empty(self, tree: Tree) -> bool:
        """Whether the target is still to be made; one of another version is refused, and left at that version."""
        url = self.to if tree is CORE else journal_url(self._config_there)
        place = database(url)
        if place.file is not None and not place.file.exists():
            return True
        found = schema_version(url, tree)
        if found is not None:
            verify_version(found, tree, place.name)
        return found is None

    def _tallies(self) -> list[Tally]:
        return [*self._store.tallies, *(self._verdicts.tallies if self.journal else [])]
