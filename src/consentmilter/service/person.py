"""A person as a request names them: by address, with every key and digest under which something may be held.

Raises AddressError for what is no address, and UsageError for a domain, which is nobody.
"""

from dataclasses import dataclass

from consentmilter.addresses import Foldings
from consentmilter.errors import UsageError
from consentmilter.hashes import digests
from consentmilter.keys import KeyRing
from consentmilter.subjects import own_subjects, subject_named


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody about whom something may be held.

    `keys` are the subject keys, the one that new entries get first; `digests` are what hash lists may hold. `stored` is
    the address as it goes into the store: None where addresses are not stored.
    """

    address: str
    keys: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    stored: str | None

    @property
    def key(self) -> bytes:
        return self.keys[0]


def person_named(text: str, ring: KeyRing, foldings: Foldings, *, store_addresses: bool) -> Person:
    """The person with this address."""
    if "@" not in text:
        raise UsageError(f"{text!r}: a person is named by an address (reader@example.net)")
    own = own_subjects(text, ring, foldings)
    address = subject_named(text, ring, foldings).text
    return Person(
        address,
        tuple(each.key for each in own),
        digests(text.strip("<> "), address, *(each.text for each in own)),
        address if store_addresses else None,
    )
