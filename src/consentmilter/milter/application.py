"""What a worker serves: builds a runtime from the configuration, and a `Session` for each MTA connection."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from consentmilter import headers, log
from consentmilter.config import Config
from consentmilter.config.compile import compile_site
from consentmilter.keys import KeyRing
from consentmilter.milter.session import Session
from consentmilter.policy.classify import BULK_MARKS
from consentmilter.policy.site import Site
from consentmilter.service.desk import Desk
from consentmilter.service.exemptions import Exemptions
from consentmilter.service.keyfile import read_keys
from consentmilter.service.naming import Naming
from consentmilter.service.places import journal_url
from consentmilter.service.recorder import Recorder
from consentmilter.service.self_check import Copies, Withheld
from consentmilter.store.exemptions import ExemptionBook
from consentmilter.store.journal import Journal
from consentmilter.store.names import Names
from consentmilter.store.reader import Reader
from consentmilter.store.uncovered import uncovered_streams


@dataclass(frozen=True, slots=True)
class Runtime:
    """One configuration at work; `wanted` are the header fields that it looks at, in lower case."""

    desk: Desk
    wanted: frozenset[str]
    reader: Reader
    journal: Journal
    names: Names | None
    withheld: Withheld | None
    exemptions: Exemptions


def build(config_json: str) -> Runtime:
    """Open everything that the configuration names."""
    config = Config.model_validate_json(config_json)
    log.configure(config.log.format, config.log.level)
    ring = read_keys(config.keys.file)
    site = compile_site(config)
    reader = Reader(config.store.url, ring.checks(), config.milter.deadline)
    journal = Journal(journal_url(config), on_trouble=_journal_trouble)
    names = Names(config.store.url, ring.checks(), _names_trouble) if config.privacy.store_addresses else None
    naming = Naming(ring, site.foldings, names.put) if names else None
    exemptions = _exemptions(config, site, ring)
    recorder = Recorder(journal.put, _now, addresses=config.log.addresses, name=naming, count=exemptions.note)
    copy_to = config.milter.self_check
    withheld = Withheld(lambda: uncovered_streams(config.store.url), _withheld_changed) if copy_to else None
    desk = Desk(
        site=site,
        ring=ring,
        look_up=reader.look_up,
        record=recorder.record,
        notice=recorder.notice,
        now=_now,
        new_ref=_new_ref,
        exempt_allowed=exemptions.allowed,
    )
    if withheld and copy_to:
        desk = replace(desk, withheld=withheld.__contains__, copy_to=Copies(copy_to).take)
    asked = {name for rule in site.rules for name in rule.asks()}
    return Runtime(desk, frozenset(asked | BULK_MARKS | headers.WANTED), reader, journal, names, withheld, exemptions)


def session(current: Callable[[], Runtime]) -> Session:
    """The callbacks of one MTA connection."""
    return Session(current)


def close(runtime: Runtime) -> None:
    """Flush the journal and close the store."""
    if runtime.withheld is not None:
        runtime.withheld.close()
    runtime.exemptions.close()
    runtime.journal.close()
    if runtime.names is not None:
        runtime.names.close()
    runtime.reader.close()


def _exemptions(config: Config, site: Site, ring: KeyRing) -> Exemptions:
    book = ExemptionBook(config.store.url, ring.checks())
    milter = config.milter
    return Exemptions(site, book, _now, _exemptions_trouble, workers=milter.workers, patience=milter.deadline)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_ref() -> str:
    return os.urandom(5).hex()


def _journal_trouble(message: str) -> None:
    log.get().error("journal_trouble", cause=message)


def _names_trouble(message: str) -> None:
    log.get().warning("address_not_filled_in", cause=message)


def _exemptions_trouble(message: str) -> None:
    log.get().warning("exemption_trouble", cause=message)


def _withheld_changed(streams: frozenset[str]) -> None:
    log.get().warning("one_click_withheld", streams=sorted(streams))
