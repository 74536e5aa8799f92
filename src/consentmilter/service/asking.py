"""May somebody be mailed: what the list and the policy say of one person, for everybody who asks.

`check`, `explain` and the API ask here, with the keys and by the policy that the milter uses. Raises AddressError for
what is no address and no domain, and StoreError and its kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consentmilter.addresses import Foldings
from consentmilter.keys import KeyRing
from consentmilter.policy.decide import Decision
from consentmilter.policy.site import Stream
from consentmilter.service.consents import facts_about
from consentmilter.service.question import question
from consentmilter.store.writer import Store
from consentmilter.subjects import Subject


@dataclass(frozen=True, slots=True)
class Answer:
    """Who was asked about, and the decision for each stream, in the order of the question."""

    subject: Subject
    decisions: Sequence[Decision]


async def ask(  # noqa: PLR0917 - what a question needs
    store: Store, ring: KeyRing, foldings: Foldings, text: str, streams: Sequence[Stream], at: datetime
) -> Answer:
    """What would become of mail of these streams to what `text` names."""
    asked = question(text, ring, foldings)
    found = await facts_about(store, asked.keys)
    return Answer(asked.subject, asked.decide(streams, found, at))
