"""What a person or domain is on the list: the subject key, and the text that it was made from.

For every way in that names somebody in words: imports and commands. Raises `AddressError`.
"""

from dataclasses import dataclass

from consentmilter.addresses import Foldings, mailable, suppressible_domain
from consentmilter.errors import AddressError
from consentmilter.keys import KeyRing, subject_of, subject_of_address


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject key under which a suppression is kept, and the canonical address or domain."""

    key: bytes
    text: str


def subject_named(text: str, ring: KeyRing, foldings: Foldings) -> Subject:
    """The subject that `text` names: `a@example.com`, `example.com`, or `.example.com` for all domains below it."""
    if "@" in text:
        address = mailable(text)
        return Subject(subject_of_address(address, ring, foldings), str(address))
    domain = suppressible_domain(text)
    if "." not in domain.removeprefix("."):
        # A word alone is more often a mangled address than a wish to suppress a top-level domain.
        raise AddressError(f"{text.strip()!r} is neither an address nor a domain")
    return Subject(subject_of(domain, ring), domain)
