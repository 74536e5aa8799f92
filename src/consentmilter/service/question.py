"""A question about somebody: the keys to look up, and the policy's answer to what is found under them.

Raises AddressError for what is no address and no domain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from consentmilter.addresses import Foldings, mailable
from consentmilter.hashes import NAMES, digests
from consentmilter.keys import KeyRing
from consentmilter.policy.decide import Decision, decide
from consentmilter.policy.facts import Facts
from consentmilter.policy.site import Stream
from consentmilter.subjects import Subject, subject_named, subjects_about


@dataclass(frozen=True, slots=True)
class Question:
    """Who is asked about, and every key under which something could stand that holds for them.

    `names` says what each key is made of, the person's own first; `own` are those that stand for nobody else.
    """

    subject: Subject
    names: Mapping[bytes, str]
    own: frozenset[bytes]

    @property
    def keys(self) -> list[bytes]:
        return list(self.names)

    @property
    def of_person(self) -> bool:
        """Whether it is about one person, and not about a domain."""
        return bool(self.own)

    def decide(self, streams: Sequence[Stream], found: Facts, at: datetime) -> list[Decision]:
        """The decision for each stream, the store having `found` this under the keys."""
        facts = replace(found, consents=[row for row in found.consents if row.subject in self.own], own=self.own)
        if not self.of_person:  # who there consented, only a question about the person can tell
            streams = [replace(stream, requires_consent=False) for stream in streams]
        return [decide(stream, facts, at) for stream in streams]


def question(text: str, ring: KeyRing, foldings: Foldings) -> Question:
    """What to look up for what `text` names."""
    about = subjects_about(text, ring, foldings)
    names = {each.key: each.text for each in about}
    own = {each.key for each in about if "@" in each.text}
    if "@" in text:
        address = str(mailable(text))
        listed = digests(address, text.strip("<> "))
        names |= {each: f"{NAMES[len(each)]} of {address}" for each in listed}
        own |= set(listed)
    return Question(subject_named(text, ring, foldings), names, frozenset(own))
