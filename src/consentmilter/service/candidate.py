"""One recipient of a message that is being screened: who it is, and what was decided about it.

Raises `AddressError` for what cannot be read as an address.
"""

from dataclasses import dataclass

from consentmilter.addresses import Address, Foldings, canonical
from consentmilter.errors import AddressError
from consentmilter.keys import KeyRing, subjects_for
from consentmilter.policy.decide import ACCEPT, Decision
from consentmilter.policy.settle import Recipient


@dataclass(slots=True)
class Candidate:
    """A recipient that was not refused; `decided` is None while the stream is not known."""

    raw: str
    subjects: tuple[bytes, ...]
    removable: bool
    decided: Decision | None = None

    @classmethod
    def of(cls, raw: str, resolved: str | None, ring: KeyRing, foldings: Foldings) -> "Candidate":
        """The recipient that was given as `raw`, which Postfix reads as `resolved` (None where it does not say)."""
        address = canonical(resolved or raw)
        return cls(raw, subjects_for(address, ring, foldings), _removable(raw, address))

    @property
    def decision(self) -> Decision:
        return self.decided or ACCEPT

    @property
    def reason(self) -> str | None:
        """Why it was decided so, as log and journal have it."""
        if self.decision.unverified:
            return "store"
        return self.decision.suppression.reason if self.decision.suppression else None

    def recipient(self) -> Recipient:
        return Recipient(self.raw, self.subjects[0], self.decision, self.removable)


def _removable(raw: str, address: Address) -> bool:
    """Whether Postfix can be told to remove the recipient: cleanup_del_rcpt compares the address before rewriting."""
    # pymilter hands only text without surrogates back to libmilter, so other octets cannot be named to Postfix.
    if any("\ud800" <= c <= "\udfff" for c in raw):
        return False
    try:
        return canonical(raw) == address
    except AddressError:
        return False
