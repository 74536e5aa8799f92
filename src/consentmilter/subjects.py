"""What a person or domain is on the list: the subject key, and the text that it was made from.

For every way in that names somebody in words: imports and commands. Raises `AddressError`.
"""

from dataclasses import dataclass

from consentmilter.addresses import Foldings, fold, mailable, parents, suppressible_domain
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
    domain = _domain(text)
    return Subject(subject_of(domain, ring), domain)


def subjects_about(text: str, ring: KeyRing, foldings: Foldings) -> list[Subject]:
    """Every subject whose suppressions hold for what `text` names: itself first, and what it is part of behind it.

    An address that a folding changes comes in both forms, since it may have been stored before the folding was set.
    """
    if "@" in text:
        address = mailable(text)
        texts = [str(fold(address, foldings)), str(address), address.domain, *parents(address.domain)]
    else:
        domain = _domain(text)
        # What covers .example.com covers any domain below it.
        texts = [domain, *parents(f"any{domain}" if domain.startswith(".") else domain)]
    return [Subject(subject_of(each, ring), each) for each in dict.fromkeys(texts)]


def own_subjects(text: str, ring: KeyRing, foldings: Foldings) -> list[Subject]:
    """The subjects that are what `text` names, not something around it: what a lift of it lifts."""
    about = subjects_about(text, ring, foldings)
    return [each for each in about if "@" in each.text] or about[:1]


def _domain(text: str) -> str:
    domain = suppressible_domain(text)
    if "." not in domain.removeprefix("."):
        # A word alone is more often a mangled address than a wish to suppress a top-level domain.
        raise AddressError(f"{text.strip()!r} is neither an address nor a domain")
    return domain
