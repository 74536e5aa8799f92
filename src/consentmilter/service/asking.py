"""May somebody be mailed: what the list and the policy say of one person, for whoever asks asynchronously.

The same keys, rows and verdict as `consentmilter check`. Raises AddressError for what is no address and no domain, and
StoreError and its kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from consentmilter.addresses import Foldings
from consentmilter.hashes import digests
from consentmilter.keys import KeyRing
from consentmilter.policy.decide import Decision, decide
from consentmilter.policy.site import Stream
from consentmilter.service.suppressions import held
from consentmilter.store.writer import Store
from consentmilter.subjects import Subject, subject_named, subjects_about


@dataclass(frozen=True, slots=True)
class Answer:
    """Who was asked about, and the decision for each stream, in the order of the question."""

    subject: Subject
    decisions: Sequence[Decision]


async def ask(  # noqa: PLR0917 - what a question needs
    store: Store, ring: KeyRing, foldings: Foldings, text: str, streams: Sequence[Stream], at: datetime
) -> Answer:
    """What would become of mail of these streams to what `text` names."""
    about = subjects_about(text, ring, foldings)
    subject = subject_named(text, ring, foldings)
    # A hash list may hold the address as it is, or as it was written.
    listed = digests(subject.text, *(each.text for each in about if "@" in each.text), text.strip("<> "))
    rows = await held(store, [*(each.key for each in about), *(listed if "@" in text else ())])
    return Answer(subject, [decide(stream, rows, at) for stream in streams])
