"""One recipient of a message that is being screened: who it is, and what was decided about it.

Raises `AddressError` for what cannot be read as an address.
"""

import re
from dataclasses import dataclass
from itertools import chain

from consentmilter.addresses import Foldings, canonical
from consentmilter.hashes import digests
from consentmilter.keys import KeyRing, own_subjects_of, subjects_for
from consentmilter.policy.decide import ACCEPT, Decision
from consentmilter.policy.settle import Recipient

_NEEDLESS_QUOTES = re.compile(r'^"([^"\\]*)"$')


@dataclass(slots=True)
class Candidate:
    """A recipient that was not refused; `decided` is None while the stream is not known.

    `subjects` are the person's own keys, then those of the domains. `own` are what stands for the person who gets the
    mail, and for nobody else. `spellings` are how each of the addresses may have been written for a hash list, that of
    the person first.
    """

    raw: str
    subjects: tuple[bytes, ...]
    own: frozenset[bytes]
    spellings: tuple[tuple[str, str], ...]
    removable: bool
    listed: tuple[bytes, ...] = ()
    decided: Decision | None = None
    counted: bool = False

    @classmethod
    def of(cls, raw: str, resolved: str | None, ring: KeyRing, foldings: Foldings) -> "Candidate":
        """The recipient that was given as `raw`, which Postfix reads as `resolved` (None where it does not say)."""
        plain = _is_plain(raw, resolved)
        texts = (raw,) if plain or not resolved else (resolved, raw)
        addresses = [canonical(text) for text in texts]
        subjects = dict.fromkeys(each for address in addresses for each in subjects_for(address, ring, foldings))
        spellings = tuple((str(address), text.strip("<> ")) for address, text in zip(addresses, texts, strict=True))
        own = frozenset(own_subjects_of(addresses[0], ring, foldings))
        return cls(raw, tuple(subjects), own, spellings, plain and not _has_surrogate(raw))

    def digests(self) -> tuple[bytes, ...]:
        """What a hash list may hold: from now on it is part of `keys`, and what is the person's part of `own`."""
        listed = [digests(*written) for written in self.spellings]
        self.listed = tuple(chain(*listed))
        self.own |= frozenset(listed[0])
        return self.listed

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Everything that was looked for."""
        return self.subjects + self.listed

    @property
    def person(self) -> bytes:
        """The subject key of the person, whose other keys may differ with the spelling of the address."""
        return self.subjects[0]

    @property
    def decision(self) -> Decision:
        return self.decided or ACCEPT

    @property
    def reason(self) -> str | None:
        """Why it was decided so, as log and journal have it."""
        if self.decision.unverified:
            return "store"
        return "over-limit" if self.decision.over_limit else self.decision.reason

    @property
    def is_nameless(self) -> bool:
        """Whether the suppression that was found stands for this recipient alone, and without an address."""
        found = self.decision.suppression
        return found is not None and found.address is None and found.subject == self.person

    def recipient(self) -> Recipient:
        return Recipient(self.raw, self.person, self.decision, self.removable)


def _is_plain(raw: str, resolved: str | None) -> bool:
    """Whether Postfix reads nothing else out of `raw` than what stands there.

    Else there were comments, a source route, a bang path, or no domain: then whoever Postfix makes of it counts, and
    a removal could miss (cleanup_del_rcpt compares octet by octet with what smtpd made of RCPT, and says nothing).
    Letter case differs in any case, since the macro has none; Postfix folds it as str.casefold does.
    """
    local, at, domain = raw.removeprefix("<").removesuffix(">").rpartition("@")
    read_local, _, read_domain = (resolved or f"{local}@{domain}").rpartition("@")
    same_local = read_local.casefold() in (local.casefold(), _NEEDLESS_QUOTES.sub(r"\1", local).casefold())
    return bool(at) and same_local and read_domain.casefold() == domain.casefold()


def _has_surrogate(text: str) -> bool:
    # pymilter hands only text without them back to libmilter.
    return any("\ud800" <= c <= "\udfff" for c in text)
