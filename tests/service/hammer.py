"""What processes that ask for exemptions at once are made of; apart from the tests, which take longer to load."""

from collections.abc import Mapping
from typing import Any

from consentmilter.globs import Glob
from consentmilter.policy.rules import Right, Rule
from consentmilter.policy.site import Site
from consentmilter.store.exemptions import Use
from tests.unit.making import site, stream


class OwnBook:
    """A broken variant: each worker keeps the cap by itself."""

    def __init__(self, url: str, key_checks: Mapping[str, bytes]) -> None:
        self._taken = 0

    def lease(self, day: int, rule: str, wanted: int, cap: int) -> int:
        granted = min(wanted, cap - self._taken)
        self._taken += granted
        return granted

    def give_back(self, day: int, rule: str, count: int) -> None:
        self._taken -= count

    def count(self, uses: Mapping[Use, int]) -> None:
        pass

    def close(self) -> None:
        pass


def silent(trouble: str) -> None:
    pass


def capped(cap: int, **changes: Any) -> Site:
    """A site on which release-bot may send so many security patches a day."""
    rule = Rule(1, "acme.security", Right((Glob.of("release-bot"),)), max_per_day=cap)
    return site(stream("acme.security", "security-patch"), stream(), rules=(rule,), **changes)
