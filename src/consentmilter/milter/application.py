"""What a worker serves: builds a runtime from the configuration, and a `Session` for each MTA connection."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from consentmilter import headers, log
from consentmilter.config import Config
from consentmilter.config.compile import compile_site
from consentmilter.milter.session import Session
from consentmilter.policy.classify import BULK_MARKS
from consentmilter.service.desk import Desk
from consentmilter.service.keyfile import read_keys
from consentmilter.service.places import journal_url
from consentmilter.service.recorder import Recorder
from consentmilter.store.journal import Journal
from consentmilter.store.reader import Reader


@dataclass(frozen=True, slots=True)
class Runtime:
    """One configuration at work; `wanted` are the header fields that it looks at, in lower case."""

    desk: Desk
    wanted: frozenset[str]
    reader: Reader
    journal: Journal


def build(config_json: str) -> Runtime:
    """Open everything that the configuration names."""
    config = Config.model_validate_json(config_json)
    log.configure(config.log.format, config.log.level)
    ring = read_keys(config.keys.file)
    site = compile_site(config)
    reader = Reader(config.store.url, ring.checks(), config.milter.deadline)
    journal = Journal(journal_url(config), on_trouble=_journal_trouble)
    recorder = Recorder(journal.put, _now, addresses=config.log.addresses)
    desk = Desk(
        site=site,
        ring=ring,
        look_up=reader.suppressions,
        record=recorder.record,
        notice=recorder.notice,
        now=_now,
        new_ref=_new_ref,
    )
    asked = {name for rule in site.rules for name in rule.asks()}
    return Runtime(desk, frozenset(asked | BULK_MARKS | headers.WANTED), reader, journal)


def session(current: Callable[[], Runtime]) -> Session:
    """The callbacks of one MTA connection."""
    return Session(current)


def close(runtime: Runtime) -> None:
    """Flush the journal and close the store."""
    runtime.journal.close()
    runtime.reader.close()


def _now() -> datetime:
    return datetime.now(UTC)


def _new_ref() -> str:
    return os.urandom(5).hex()


def _journal_trouble(message: str) -> None:
    log.get().error("journal_trouble", cause=message)
