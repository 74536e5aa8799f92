"""What every request needs: the configuration at work, and the store behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from consentmilter.config import Config
from consentmilter.keys import KeyRing
from consentmilter.policy.site import Site
from consentmilter.service.opting_in import OptingIn
from consentmilter.service.targets import Targets
from consentmilter.store.writer import Store


@dataclass(frozen=True, slots=True)
class Context:
    """One configuration at work. The clock is passed in, so that tests can turn it."""

    config: Config
    site: Site
    ring: KeyRing
    store: Store
    targets: Targets
    now: Callable[[], datetime]
    opting_in: OptingIn
