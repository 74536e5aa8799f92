"""Which addresses are ours, and what mail to each of them means. Does no I/O and raises nothing.

An address with a token says who and what. One without leaves the person to be found out by the From: of the mail, and
says at most what it is about. A token that is damaged, or meant for another purpose, is worth nothing: mail to
`unsubscribe+...` then counts as mail to the plain address, since a person's no must not be lost to a broken link.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from consentmilter.addresses import Address, canonical, mailable
from consentmilter.config import Config
from consentmilter.errors import AddressError, TokenError
from consentmilter.keys import KeyRing
from consentmilter.model import ALL
from consentmilter.service.targets import Targets
from consentmilter.tokens import Purpose, Token, read, stream_hash


class Manner(Enum):
    """How an address without a token asks: what a mail to it must say to be a request."""

    STREAM = auto()
    """unsubscribe+STREAM@, which stands in List-Unsubscribe: nothing, the address says it all."""
    PLAIN = auto()
    """unsubscribe@: nothing, or the request."""
    PRIVACY = auto()
    """A privacy address, to which people write about anything: the request in words."""


@dataclass(frozen=True, slots=True)
class ByToken:
    """unsubscribe+TOKEN@, with a token of ours for `UNSUBSCRIBE` or `CONFIRM`."""

    token: Token
    scope: str


@dataclass(frozen=True, slots=True)
class BySender:
    """An address to which people write themselves: who they are says the From:."""

    manner: Manner
    scope: str


@dataclass(frozen=True, slots=True)
class ForBounces:
    """bounce+TOKEN@. `scope` is the organisation of the token's stream: a mailbox is dead for all of it."""

    token: Token
    scope: str


@dataclass(frozen=True, slots=True)
class ForCopies:
    """The address that gets copies of our own mail, to look at their signatures."""


Door = ByToken | BySender | ForBounces | ForCopies


class Doors:
    """The addresses of one site."""

    def __init__(self, config: Config, targets: Targets, ring: KeyRing) -> None:
        self._targets = targets
        self._ring = ring
        alone = targets.of_nobody().scope != ALL
        organisations = [(ALL if alone else name, part) for name, part in config.organisations.items()]
        self._unsubscribe = _scopes(
            [(config.unsubscribe.mailto, ALL), *((part.unsubscribe.mailto, scope) for scope, part in organisations)]
        )
        self._privacy = _scopes(
            [
                *((address, ALL) for address in config.privacy.mail),
                *((address, scope) for scope, part in organisations for address in part.privacy),
            ]
        )
        bounce = [config.unsubscribe.bounce, *(part.unsubscribe.bounce for part in config.organisations.values())]
        self._bounce = {_same(address) for address in bounce if address}
        self._copies = {_same(address) for address in [config.milter.self_check] if address}

    def of(self, raw: str) -> Door | None:
        """What is behind an address; None for one that is not ours."""
        try:
            address = canonical(raw)
        except AddressError:
            return None
        if str(address) in self._copies:
            return ForCopies()
        if str(address) in self._privacy:
            return BySender(Manner.PRIVACY, self._privacy[str(address)])
        local, _, extension = address.local.partition("+")
        return self._with_extension(str(Address(local, address.domain)), extension)

    def of_token(self, text: str, *purposes: Purpose) -> tuple[Token, str] | None:
        """The token that a text is, if it is one of ours for one of these purposes, and the scope that it names."""
        for purpose in purposes:
            try:
                token = read(text, purpose, self._ring)
            except TokenError:
                continue
            return token, self._targets.of_hash(token.stream).scope
        return None

    def _with_extension(self, base: str, extension: str) -> Door | None:
        if base in self._bounce and (found := self.of_token(extension, Purpose.BOUNCE)):
            return ForBounces(found[0], organisation_of(found[1]))
        if base not in self._unsubscribe:
            return None
        if found := self.of_token(extension, Purpose.UNSUBSCRIBE, Purpose.CONFIRM):
            return ByToken(*found)
        if extension and self._targets.knows(extension):
            return BySender(Manner.STREAM, self._targets.of_hash(stream_hash(extension)).scope)
        return BySender(Manner.PLAIN, self._unsubscribe[base])


def organisation_of(scope: str) -> str:
    """The scope of all mail of whoever sends what `scope` covers."""
    return scope.partition(".")[0]


def _scopes(addresses: Iterable[tuple[str | None, str]]) -> dict[str, str]:
    """Each address with its scope; one that several organisations share speaks of everything."""
    found: dict[str, str] = {}
    for address, scope in _present(addresses):
        found[address] = scope if found.get(address, scope) == scope else ALL
    return found


def _present(addresses: Iterable[tuple[str | None, str]]) -> Iterator[tuple[str, str]]:
    return ((_same(address), scope) for address, scope in addresses if address)


def _same(address: str) -> str:
    return str(mailable(address))
