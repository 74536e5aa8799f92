"""One call of the API: who calls, what they say, and what is needed to answer."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from consentmilter.errors import AddressError
from consentmilter.service.suppressions import Actor
from consentmilter.subjects import Subject, own_subjects, subject_named
from consentmilter.web.api.access import Caller
from consentmilter.web.api.messages import Message, Person
from consentmilter.web.api.problems import unusable
from consentmilter.web.context import Context

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Call(Generic[M]):
    """A call that was let in; `request` is the id by which the log knows it."""

    context: Context
    caller: Caller
    message: M
    request: str

    @property
    def actor(self) -> Actor:
        """What the ledger calls the caller."""
        return Actor(self.caller.name, "api")

    def subject(self, person: Person, where: str = "") -> Subject:
        """Who that is; `where` stands before the field's name in what is said of a fault."""
        text = name_of(person, where)
        try:
            return subject_named(text, self.context.ring, self.context.site.foldings)
        except AddressError as error:
            raise unusable(field_of(person, where), str(error)) from None

    def own_subjects(self, person: Person) -> list[Subject]:
        """What stands on the list for exactly that person or domain."""
        self.subject(person)
        return own_subjects(name_of(person), self.context.ring, self.context.site.foldings)


def name_of(person: Person, where: str = "") -> str:
    """The address or domain; a domain in the place of an address would be everybody there."""
    if ("@" in person.email) != bool(person.email) or "@" in person.domain:
        kind = "an e-mail address" if person.email else "a domain (write example.com, or .example.com for all below)"
        raise unusable(field_of(person, where), f"not {kind}")
    return person.email or person.domain


def field_of(person: Person, where: str = "") -> str:
    return f"{where}{'email' if person.email else 'domain'}"
