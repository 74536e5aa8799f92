"""One call of the API: who calls, what they say, and what is needed to answer."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from consentmilter.errors import AddressError
from consentmilter.policy.site import Stream
from consentmilter.service.suppressions import Actor
from consentmilter.subjects import Subject, own_subjects, subject_named
from consentmilter.web.api.access import Caller
from consentmilter.web.api.messages import Message, Person, Right
from consentmilter.web.api.problems import unusable
from consentmilter.web.context import Context

M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Right)

NO_ADDRESS = "not an e-mail address"
NO_DOMAIN = "not a domain (write example.com, or .example.com for all below)"


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

    def reader(self, email: str, where: str = "email") -> Subject:
        """The one person with this address; `where` is the field's name in what is said of a fault."""
        if "@" not in email:
            raise unusable(where, NO_ADDRESS)
        try:
            return subject_named(email, self.context.ring, self.context.site.foldings)
        except AddressError as error:
            raise unusable(where, str(error)) from None

    def stream(self, name: str) -> Stream:
        """The stream of that name, if it is one of the token's organisations."""
        self.caller.require_scope(name)
        stream = self.context.site.streams.get(name)
        if stream is None:
            raise unusable("stream", "there is no such stream")
        return stream

    def scope(self, scope: str, known: Collection[str] | None = None, where: str = "scope") -> None:
        """Refuse a scope that is not the token's, or is not there; `known` are those that are, where many are asked."""
        self.caller.require_scope(scope)
        if scope not in (self.context.site.scopes() if known is None else known):
            raise unusable(where, "there is no such stream or organisation")

    def own_keys(self, email: str) -> list[bytes]:
        """Every key under which something about exactly this person may be recorded."""
        return [each.key for each in own_subjects(email, self.context.ring, self.context.site.foldings)]

    def own_subjects(self, person: Person) -> list[Subject]:
        """What stands on the list for exactly that person or domain."""
        self.subject(person)
        return own_subjects(name_of(person), self.context.ring, self.context.site.foldings)


def name_of(person: Person, where: str = "") -> str:
    """The address or domain; a domain in the place of an address would be everybody there."""
    if ("@" in person.email) != bool(person.email) or "@" in person.domain:
        raise unusable(field_of(person, where), NO_ADDRESS if person.email else NO_DOMAIN)
    return person.email or person.domain


def field_of(person: Person, where: str = "") -> str:
    return f"{where}{'email' if person.email else 'domain'}"
