"""What commands share: the configuration of the run, the policy and the keys, each read when first needed.

Raises `ConfigError`, `KeyFileError`, and `UsageError` for names that the configuration does not have.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from consentmilter.config import Config, load
from consentmilter.config.compile import compile_site
from consentmilter.errors import UsageError
from consentmilter.keys import KeyRing
from consentmilter.policy.site import Site, Stream
from consentmilter.service.keyfile import read_keys
from consentmilter.subjects import Subject, own_subjects, subject_named, subjects_about

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

    def subject(self, text: str) -> Subject:
        """The person or domain of that name."""
        return subject_named(text, self.ring, self.site.foldings)

    def own_subjects(self, text: str) -> list[Subject]:
        """What stands on the list for the person or domain itself."""
        return own_subjects(text, self.ring, self.site.foldings)

    def subjects_about(self, text: str) -> list[Subject]:
        """What stands on the list for the person or domain, and for what it is part of."""
        return subjects_about(text, self.ring, self.site.foldings)

    def scope(self, name: str) -> str:
        """The scope of that name; one that no stream is in would suppress nothing, so it is refused."""
        known = self.site.scopes()
        if name not in known:
            raise UsageError(f"--scope: unknown scope {name!r} ({_mend(name, known)})")
        return name

    def streams(self, name: str | None) -> list[Stream]:
        """The stream of that name, or all."""
        streams = self.site.streams
        if name is None:
            return list(streams.values())
        if name not in streams:
            raise UsageError(f"--stream: unknown stream {name!r} ({_mend(name, streams)})")
        return [streams[name]]


def now() -> datetime:
    return datetime.now(UTC)


def _mend(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"use {', '.join(sorted(known))}"
