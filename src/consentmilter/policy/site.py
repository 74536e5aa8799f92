"""The site's policy, compiled from its configuration: streams, rules, and what is outbound.

Everything here was validated by `config`; nothing is checked again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network

from consentmilter.addresses import Folding
from consentmilter.globs import Glob, any_matches
from consentmilter.model import ALL, Mode, Verdict
from consentmilter.policy.categories import Category
from consentmilter.policy.mail import Principal
from consentmilter.policy.rules import Rule

BULK = "bulk"
"""The built-in stream of outbound mail with the marks of bulk mail that no rule knows."""

UNCLASSIFIED = "unclassified"
"""The built-in stream of all other outbound mail, under `unclassified: enforce`."""


class Unclassified(StrEnum):
    """What becomes of outbound mail that belongs to no stream."""

    PASS = "pass"  # noqa: S105 - no password
    ENFORCE = "enforce"
    REJECT = "reject"


class FalseClaim(StrEnum):
    """What becomes of a message that claims a stream its principal has no right to."""

    MARKETING = "marketing"
    REJECT = "reject"


class Mixed(StrEnum):
    """What becomes of a message of which some recipients are suppressed, found out at end of message."""

    REMOVE = "remove"
    REJECT = "reject"


class MultiRecipient(StrEnum):
    """What becomes of a message with several recipients, who cannot each have a link of their own."""

    GENERIC = "generic"
    SPLIT = "split"
    REJECT = "reject"


class Existing(StrEnum):
    """What becomes of a List-Unsubscribe that the message brings along."""

    KEEP = "keep"
    REPLACE = "replace"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class Stream:
    """What a person can opt out of, with everything that holds for it resolved."""

    name: str
    title: str
    category: Category
    mode: Mode
    action: Verdict = Verdict.REJECT
    mixed: Mixed = Mixed.REMOVE
    multi_recipient: MultiRecipient = MultiRecipient.GENERIC
    existing: Existing = Existing.KEEP
    unsubscribe_header: bool = True
    list_id: str | None = None
    unsubscribe_url: str | None = None
    unsubscribe_mailto: str | None = None
    help_url: str | None = None
    description: str | None = None
    verp: bool = False
    bounce: str | None = None
    requires_consent: bool = False

    @property
    def enforced(self) -> bool:
        return self.mode is Mode.ENFORCE


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who mails; `privacy` are the addresses whose mail speaks of everything that it sends."""

    name: str
    title: str
    address: str | None = None
    privacy: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outbound:
    """Which mail the policy applies to, besides logins, loopback and sendmail(1)."""

    listeners: tuple[Glob, ...] = ()
    clients: tuple[IPv4Network | IPv6Network, ...] = ()

    def includes(self, principal: Principal) -> bool:
        if principal.login or principal.non_smtp:
            return True
        if any_matches(self.listeners, principal.listener):
            return True
        client = principal.client
        return client is not None and (client.is_loopback or any(client in network for network in self.clients))


@dataclass(frozen=True, slots=True)
class Loop:
    """The listeners of the two passes of a site that sends each recipient its own copy."""

    first: tuple[Glob, ...] = ()
    second: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that the policy of one site says."""

    streams: Mapping[str, Stream]
    rules: tuple[Rule, ...] = ()
    organisations: Mapping[str, Organisation] = field(default_factory=dict)
    outbound: Outbound = Outbound()
    loop: Loop = Loop()
    bulk_rule: bool = True
    unclassified: Unclassified = Unclassified.PASS
    false_claim: FalseClaim = FalseClaim.MARKETING
    foldings: Mapping[str, Folding] = field(default_factory=dict)
    mode: Mode = Mode.OBSERVE

    @property
    def rules_read_header(self) -> bool:
        """Whether mail that no rule knows by its envelope may still get a stream from its header."""
        return self.bulk_rule or any(rule.allow and rule.asks() for rule in self.rules)

    def scope_title(self, scope: str) -> str:
        """What a person would call the scope: a stream's title, an organisation's, or everything."""
        if scope == ALL:
            return "all marketing mail"
        if scope in self.streams:
            return f'"{self.streams[scope].title}"'
        return f"all mail of {self.organisations[scope].title}" if scope in self.organisations else f'"{scope}"'

    def scopes(self) -> set[str]:
        """Every scope that a suppression can be made for: the streams, their parents, and everything."""
        parts = (name.split(".") for name in self.streams)
        parents = {".".join(labels[:end]) for labels in parts for end in range(1, len(labels) + 1)}
        return parents | set(self.organisations) | {ALL}
