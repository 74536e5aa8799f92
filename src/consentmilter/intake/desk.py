"""All that the intake works with, under one configuration."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from consentmilter.config import Config
from consentmilter.intake.address import Doors
from consentmilter.keys import KeyRing
from consentmilter.policy.site import Site
from consentmilter.service.confirming import Confirming
from consentmilter.service.suppressions import Clock
from consentmilter.service.targets import Targets
from consentmilter.store.writer import Store

Send = Callable[[bytes, str], Awaitable[None]]
"""Hand in a message to one recipient; raises SubmissionError."""


@dataclass(frozen=True, slots=True)
class Desk:
    """The configuration and what follows from it, the store, the clock, and the way out for our own mail."""

    config: Config
    site: Site
    ring: KeyRing
    store: Store
    targets: Targets
    doors: Doors
    confirming: Confirming
    send: Send
    now: Clock
