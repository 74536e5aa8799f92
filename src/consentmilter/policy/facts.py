"""What the store says of people, and the part of it that concerns each of several recipients. Pure."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from consentmilter.model import Consent, Suppression

Row = TypeVar("Row", Suppression, Consent)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the store says.

    `own` are the keys and digests of the person themselves, and not of a domain around them: only what stands under
    these can be outdone by the person's consent.
    """

    suppressions: Sequence[Suppression] = ()
    consents: Sequence[Consent] = ()
    own: Collection[bytes] = frozenset()


def shared_out(facts: Facts, people: Iterable[tuple[Iterable[bytes], Collection[bytes]]]) -> Iterator[Facts]:
    """The facts about each person, of whom all keys are given and the own ones among them."""
    suppressions, consents = _by_subject(facts.suppressions), _by_subject(facts.consents)
    for keys, own in people:
        against = [row for key in keys for row in suppressions.get(key, ())]
        granted = [row for key in own for row in consents.get(key, ())] if consents else ()
        yield Facts(against, granted, own)


def _by_subject(rows: Iterable[Row]) -> dict[bytes, list[Row]]:
    found: dict[bytes, list[Row]] = {}
    for row in rows:
        found.setdefault(row.subject, []).append(row)
    return found
