"""Rules that tell the stream of a message from its principal, envelope and header.

A rule answers yes, no, or maybe: maybe while the header has not arrived. The first rule that says yes wins, so a maybe
before it leaves the question open. A rule with `allow` is a claim: its conditions say what the message claims, `allow`
who may claim it.
"""

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from hashlib import blake2b
from ipaddress import IPv4Network, IPv6Network

from consentmilter.globs import Glob, any_matches
from consentmilter.policy.mail import Headers, Principal


class Answer(Enum):
    """Whether a rule fits."""

    YES = "yes"
    NO = "no"
    MAYBE = "maybe"


class OverLimit(StrEnum):
    """What becomes of mail of an exempt category beyond what its rule lets through a day."""

    DEFER = "defer"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Right:
    """Principals by what can be proven of them; an empty field says nothing."""

    logins: tuple[Glob, ...] = ()
    clients: tuple[IPv4Network | IPv6Network, ...] = ()
    listeners: tuple[Glob, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.logins or self.clients or self.listeners)

    def proofs(self, principal: Principal) -> dict[str, bool]:
        """For each kind of proof that is asked for, whether this principal has it."""
        asked = {}
        if self.logins:
            asked["login"] = principal.login is not None and any_matches(self.logins, principal.login)
        if self.clients:
            client = principal.client
            asked["client"] = client is not None and any(client in network for network in self.clients)
        if self.listeners:
            asked["listener"] = any_matches(self.listeners, principal.listener)
        return asked

    def granted_by(self, principal: Principal) -> str | None:
        """The first proof that the principal has of those asked for; one is enough."""
        return next((kind for kind, has in self.proofs(principal).items() if has), None)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; every condition that it has must hold. `number` counts from 1, as in the file."""

    number: int
    stream: str
    who: Right = Right()
    senders: tuple[Glob, ...] = ()
    headers: tuple[tuple[str, tuple[Glob, ...]], ...] = ()
    list_ids: tuple[Glob, ...] = ()
    has_headers: tuple[str, ...] = ()
    allow: Right | None = None
    max_per_day: int | None = None
    over_limit: OverLimit = OverLimit.DEFER

    def asks(self) -> set[str]:
        """The header fields that the rule needs to see, in lower case."""
        names = {name for name, _ in self.headers} | set(self.has_headers)
        return names | {"list-id"} if self.list_ids else names

    def fingerprint(self) -> str:
        """What the rule is known by where its use is counted: its conditions and stream, wherever it stands."""
        bare = replace(self, number=0, max_per_day=None, over_limit=OverLimit.DEFER)
        return blake2b(repr(bare).encode(), digest_size=8).hexdigest()

    def fits(self, principal: Principal, sender: str, headers: Headers | None) -> Answer:
        """Whether the rule's conditions hold; `headers` is None while they have not arrived."""
        if not all(self.who.proofs(principal).values()):
            return Answer.NO
        if self.senders and not any_matches(self.senders, sender):
            return Answer.NO
        if not self.asks():
            return Answer.YES
        if headers is None:
            return Answer.MAYBE
        return Answer.YES if self._fits_header(headers) else Answer.NO

    def right(self, principal: Principal) -> str | None:
        """The proof by which the principal may use the rule; empty where none is asked; None where it may not."""
        if self.allow is not None:
            return self.allow.granted_by(principal)
        return self.who.granted_by(principal) or ""

    def _fits_header(self, headers: Headers) -> bool:
        if not all(headers.has(name) for name in self.has_headers):
            return False
        if self.list_ids and not any(any_matches(self.list_ids, _list_id(v)) for v in headers.values("list-id")):
            return False
        return all(any(any_matches(globs, value) for value in headers.values(name)) for name, globs in self.headers)


def _list_id(value: str) -> str:
    # RFC 2919 section 3: the identifier stands in angle brackets after an optional phrase.
    _, bracket, rest = value.rpartition("<")
    return rest.partition(">")[0].strip() if bracket else value
